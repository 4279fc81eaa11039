import { assertEquals, assertThrows } from "@std/assert";
import { MiniError } from "../ffi/errors.ts";
import { applyChange } from "./change.ts";
import type { ContainerConfig } from "./types.ts";

Deno.test("every instruction changes what it names", () => {
  const config: ContainerConfig = { Env: ["A=0", "P=/bin"] };
  const lines = [
    'CMD ["sh", "-c", "x"]',
    "entrypoint /bin/app --flag",
    'ENV A=1 B="two words"',
    "ENV C three words",
    "LABEL a=b c='d e'",
    "EXPOSE 80 53/udp",
    'VOLUME ["/data"]',
    "VOLUME /a /b",
    "USER 1000:100",
    "WORKDIR /srv",
    "WORKDIR sub",
    "STOPSIGNAL SIGINT",
    "ONBUILD RUN x",
  ];
  for (const line of lines) applyChange(config, line);
  assertEquals(config, {
    Env: ["P=/bin", "A=1", "B=two words", "C=three words"],
    Cmd: ["sh", "-c", "x"],
    Entrypoint: ["/bin/sh", "-c", "/bin/app --flag"],
    Labels: { a: "b", c: "d e" },
    ExposedPorts: { "80/tcp": {}, "53/udp": {} },
    Volumes: { "/data": {}, "/a": {}, "/b": {} },
    User: "1000:100",
    WorkingDir: "/srv/sub",
    StopSignal: "SIGINT",
    OnBuild: ["RUN x"],
  });
});

Deno.test("what is no such line is refused in one sentence", () => {
  const bad = [
    "",
    "CMD",
    "RUN x",
    "FROM alpine",
    "ENV A",
    "ENV =1",
    "ENV A=1 B",
    "EXPOSE 99999",
    "EXPOSE x",
    'CMD ["a"',
    "CMD [1]",
    'LABEL a="b',
    "USER a b",
  ];
  for (const line of bad) assertThrows(() => applyChange({}, line), MiniError, "the change");
});
