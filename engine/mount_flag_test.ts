import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { MiniError } from "../ffi/errors.ts";
import { readMount } from "./mount_flag.ts";

const common = { destination: "/b", readonly: false, by: "mount" } as const;

function refuses(text: string, ...words: string[]): void {
  const { message } = assertThrows(() => readMount(text), MiniError);
  for (const word of ["--mount", ...words]) assertStringIncludes(message, word);
}

Deno.test("--mount type=bind: a path of the host, read-only with or without what is below, how mounts pass on", () => {
  const bind = { type: "bind", source: "/a", createSource: false, ...common } as const;
  assertEquals(readMount("type=bind,source=/a,target=/b"), { ...bind, options: ["rbind"] });
  assertEquals(readMount("TYPE=BIND,src=/x/../a,dst=/c/../b/"), { ...bind, options: ["rbind"] });
  assertEquals(readMount("type=bind,src=./a,destination=/b").source, `${Deno.cwd()}/a`);
  const options = (more: string) => readMount(`type=bind,src=/a,dst=/b,${more}`).options;
  for (const word of ["ro", "readonly", "ro=true", "readonly=1"]) assertEquals(options(word), ["rbind", "rro"]);
  assertEquals(options("ro=false"), ["rbind"]);
  assertEquals(options("ro,bind-recursive=enabled"), ["rbind", "rro"]);
  assertEquals(options("ro,bind-recursive=disabled"), ["bind", "ro"]);
  assertEquals(options("ro,bind-nonrecursive"), ["bind", "ro"]);
  assertEquals(options("ro,bind-recursive=writable"), ["rbind"]);
  const { readonly, writableBelow } = readMount("type=bind,src=/a,dst=/b,ro,bind-recursive=writable");
  assertEquals([readonly, writableBelow], [true, true]);
  assertEquals(options("ro,bind-recursive=readonly,bind-propagation=rprivate"), ["rbind", "rro", "rprivate"]);
  assertEquals(options("bind-propagation=rslave"), ["rbind", "rslave"]);
  assertEquals(readMount("type=bind,src=/a,dst=/b,bind-create-src").createSource, true);
  assertEquals(readMount('type=bind,"src=/a,""b""",dst=/b').source, '/a,"b"');
  refuses("type=bind,dst=/b", "source");
  refuses("type=bind,src=a,dst=/b", "absolute");
  refuses("type=bind,src=/a,dst=/b,bind-recursive=readonly", "readonly");
  refuses("type=bind,src=/a,dst=/b,ro,bind-recursive=readonly,bind-propagation=rshared", "rprivate");
  refuses("type=bind,src=/a,dst=/b,bind-recursive=disabled,bind-nonrecursive", "exclude");
  refuses("type=bind,src=/a,dst=/b,bind-propagation=no", "bind-propagation", "rslave");
});

Deno.test("--mount type=volume, which is also what it is without a type", () => {
  const volume = { type: "volume", ...common, options: ["rbind"] } as const;
  assertEquals(readMount("target=/b"), volume);
  assertEquals(readMount("type=volume,source=data,target=/b"), { ...volume, name: "data" });
  assertEquals(readMount("src=,dst=/b"), volume);
  assertEquals(readMount("src=data,dst=/b,readonly").options, ["rbind", "rro"]);
  assertEquals(
    readMount(
      'src=data,dst=/b,volume-nocopy,volume-driver=local,volume-opt=type=nfs,"volume-opt=o=addr=a,rw",volume-label=k=v,volume-label=l,volume-subpath=x/y',
    ),
    {
      ...volume,
      name: "data",
      noCopy: true,
      driver: "local",
      driverOptions: { type: "nfs", o: "addr=a,rw" },
      labels: { k: "v", l: "" },
      subpath: "x/y",
    },
  );
  refuses("src=/a,dst=/b", "type=bind");
  refuses("src=a,dst=/b", "not a name");
  refuses("src=data,dst=/b,volume-opt=x", "volume-opt");
  refuses("src=data,dst=/b,volume-label==x", "volume-label");
  for (const path of ["/x", "..", "a/../../b"]) refuses(`src=data,dst=/b,volume-subpath=${path}`, "volume-subpath");
});

Deno.test("--mount type=tmpfs: a size and a mode", () => {
  const options = (more: string) => readMount(`type=tmpfs,dst=/b${more}`).options;
  assertEquals(options(""), ["nosuid", "nodev", "noexec"]);
  assertEquals(options(",tmpfs-size=64m,tmpfs-mode=1770,ro").slice(3), ["ro", "size=67108864", "mode=1770"]);
  assertEquals(options(",tmpfs-size=0").slice(3), []);
  refuses("type=tmpfs,dst=/b,src=/a", "no source");
  refuses("type=tmpfs,dst=/b,tmpfs-size=x", "tmpfs-size", "size");
  for (const mode of ["8", "x", "", "77777"]) refuses(`type=tmpfs,dst=/b,tmpfs-mode=${mode}`, "tmpfs-mode");
});

Deno.test("--mount refuses what it does not know, and what does not go together", () => {
  refuses("", "key");
  refuses("type=bind,src=/a", "target");
  refuses("type=bind,src=/a,dst=b", "absolute");
  refuses("src=data,dst=/", "root itself");
  refuses("src=data,dst=/x/..", "root itself");
  refuses("src=data,dst=/b,nosuch=1", "nosuch");
  refuses("src=data,dst=/b,constructor=1", "constructor");
  refuses("src=data,dst=/b,type", "needs a value");
  refuses("src=data,dst=/b,ro=maybe", "true or false");
  refuses("src=data,dst=/b,dst=/c", "twice");
  refuses("src=data,dst=/b,destination=/c", "twice");
  refuses("src=data,dst=/b,bind-propagation=rslave", "type=volume");
  refuses("type=bind,src=/a,dst=/b,volume-nocopy", "type=bind");
  refuses("type=bind,src=/a,dst=/b,tmpfs-size=1", "type=bind");
  refuses("type=nosuch,dst=/b", "nosuch");
  refuses("type=npipe,dst=/b", "npipe");
  refuses("type=cluster,dst=/b", "cluster");
  refuses("type=image,dst=/b", "images");
  refuses("type=image,dst=/b,image-subpath=x", "images");
  refuses('dst="/b', "quotation marks");
  refuses('"dst=/b', "never closed");
});
