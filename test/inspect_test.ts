/** `mini inspect`, which finds containers and images. */
import { assertEquals } from "@std/assert";
import { miniTest } from "./harness.ts";

miniTest("inspect finds a container first, then an image, and tells what is neither", async ({ mini }) => {
  await mini(["run", "--name", "web", "starter", "sh", "-c", "exit 3"]);
  const both = await mini(["inspect", "web", "starter", "nothing"]);
  const [container, image, ...more] = JSON.parse(both.stdout);
  assertEquals([container.Name, container.State.ExitCode, image.Os, more], ["/web", 3, "linux", []]);
  assertEquals([both.status, both.stderr], [
    1,
    "mini: there is no container and no image nothing; 'mini ps -a' and 'mini images' list them\n",
  ]);
  assertEquals(container.Image, image.Id);
  // An image may have a container's name.
  await mini(["tag", "starter", "web"]);
  const format = async (...flags: string[]) => (await mini(["inspect", ...flags, "-f", "{{.Id}}", "web"])).stdout;
  assertEquals(await format(), `${container.Id}\n`);
  assertEquals(await format("--type", "image"), `${image.Id}\n`);
  assertEquals((await mini(["inspect", "--type", "container", "starter"])).status, 1);
  await mini(["rm", "web"]);
});
