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
    "HEALTHCHECK",
    "HEALTHCHECK curl x",
    "HEALTHCHECK CMD",
    "HEALTHCHECK --interval=5s NONE",
    "HEALTHCHECK --what=5s CMD x",
    "HEALTHCHECK --interval=-5s CMD x",
    "HEALTHCHECK --retries=many CMD x",
  ];
  for (const line of bad) assertThrows(() => applyChange({}, line), MiniError, "the change");
});

Deno.test("a health check is a command, for a shell or not, with its times in nanoseconds", () => {
  const check = (line: string) => {
    const config: ContainerConfig = {};
    applyChange(config, line);
    return config.Healthcheck;
  };
  assertEquals(check("HEALTHCHECK NONE"), { Test: ["NONE"] });
  assertEquals(check("HEALTHCHECK CMD curl -f http://localhost || exit 1"), {
    Test: ["CMD-SHELL", "curl -f http://localhost || exit 1"],
  });
  assertEquals(
    check('HEALTHCHECK --interval=1m30s --timeout=500ms --start-period=2s --retries=5 cmd ["/check", "x"]'),
    {
      Test: ["CMD", "/check", "x"],
      Interval: 90e9,
      Timeout: 0.5e9,
      StartPeriod: 2e9,
      Retries: 5,
    },
  );
});
