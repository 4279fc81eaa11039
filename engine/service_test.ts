import { assertEquals, assertStringIncludes } from "@std/assert";
import { installService, uninstallService } from "./service.ts";

const SERVICE = { program: "/opt/my mini/mini", root: "/var/lib/100%", state: "/run/mini" };

Deno.test("the service is written, enabled, written again and removed", () => {
  for (const init of ["systemd", "openrc"] as const) {
    const destdir = Deno.makeTempDirSync();
    const [path, link] = installService(init, SERVICE, destdir);
    assertEquals(installService(init, SERVICE, destdir), [path, link]);
    assertEquals(destdir + Deno.readLinkSync(link!), path);
    assertEquals((Deno.statSync(path!).mode! & 0o111) !== 0, init === "openrc");
    assertEquals(uninstallService(init, destdir), [link, path]);
    assertEquals(uninstallService(init, destdir), []);
    Deno.removeSync(destdir, { recursive: true });
  }
});

Deno.test("paths are quoted as the init system reads them", () => {
  const destdir = Deno.makeTempDirSync();
  const [unit] = installService("systemd", SERVICE, destdir);
  assertStringIncludes(
    Deno.readTextFileSync(unit!),
    `ExecStart="/opt/my mini/mini" "--root" "/var/lib/100%%" "--state" "/run/mini" "system" "start"\n`,
  );
  const [script] = installService("openrc", SERVICE, destdir);
  assertStringIncludes(Deno.readTextFileSync(script!), `'/opt/my mini/mini' '--root' '/var/lib/100%' `);
  Deno.removeSync(destdir, { recursive: true });
});
