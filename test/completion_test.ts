/** The completion scripts in the shells that they are for. */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { isInstalled, miniCommand } from "./mini_command.ts";

/**
 * Runs a script of a shell with `mini` in PATH, in a folder with the files `notes.txt` and `sub/`, and a program `fake`
 * that knows one image.
 */
async function shell(program: string, args: readonly string[], script: string): Promise<string> {
  using mini = miniCommand();
  const work = `${mini.folder}/work`;
  Deno.mkdirSync(`${work}/sub`, { recursive: true });
  Deno.writeTextFileSync(`${work}/notes.txt`, "");
  Deno.writeTextFileSync(
    `${work}/fake`,
    "#!/bin/sh\nprintf 'alpine:latest\\tAn image: small\\n:none\\n'\n",
    { mode: 0o755 },
  );
  const { stdout, stderr } = await new Deno.Command(program, {
    args: [...args, script],
    env: mini.environment,
    clearEnv: true,
    cwd: work,
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  assertEquals(decoder.decode(stderr), "");
  return decoder.decode(stdout);
}

/** What bash offers at the end of the line, split into words as bash does it. */
async function bash(line: string, words: readonly string[]): Promise<string[]> {
  const quoted = words.map((word) => `'${word}'`).join(" ");
  const script = `
    source <(mini completion bash)
    COMP_LINE='${line}' COMP_POINT=${line.length} COMP_WORDS=(${quoted}) COMP_CWORD=${words.length - 1}
    COMP_WORDBREAKS=$' \\t\\n"\\'><=;|&(:'
    _mini
    printf '%s\\n' "\${COMPREPLY[@]}"
  `;
  return (await shell("bash", ["--norc", "--noprofile", "-c"], script)).split("\n").filter(Boolean);
}

Deno.test({
  name: "bash completes commands, flags, values and paths",
  ignore: !isInstalled("bash"),
  fn: async () => {
    assertEquals(await bash("mini ver", ["mini", "ver"]), ["version"]);
    assertEquals(await bash("mini version --f", ["mini", "version", "--f"]), ["--format"]);
    assertEquals(await bash("mini completion ", ["mini", "completion", ""]), ["bash", "zsh", "fish"]);
    assertEquals(await bash("mini --root ", ["mini", "--root", ""]), ["sub"]);
  },
});

Deno.test({
  name: "bash completes a value after = where bash itself splits the word",
  ignore: !isInstalled("bash"),
  fn: async () => {
    assertEquals(await bash("mini version --format=j", ["mini", "version", "--format", "=", "j"]), ["json"]);
    assertEquals(await bash("mini version --format=", ["mini", "version", "--format", "="]), ["json"]);
    assertEquals(await bash("mini --root=s", ["mini", "--root", "=", "s"]), ["sub"]);
    assertEquals(await bash("mini version --format j", ["mini", "version", "--format", "j"]), ["json"]);
  },
});

Deno.test({
  name: "bash completes a name with a colon",
  ignore: !isInstalled("bash"),
  fn: async () => {
    assertEquals(await bash("./fake rmi alp", ["./fake", "rmi", "alp"]), ["alpine:latest"]);
    assertEquals(await bash("./fake rmi alpine:l", ["./fake", "rmi", "alpine", ":", "l"]), ["latest"]);
    assertEquals(await bash("./fake rmi alpine:", ["./fake", "rmi", "alpine", ":"]), ["latest"]);
  },
});

Deno.test({
  name: "bash completes the keys of a filter, and leaves no space after them",
  ignore: !isInstalled("bash"),
  fn: async () => {
    assertEquals(await bash("mini ps --filter st", ["mini", "ps", "--filter", "st"]), ["status="]);
    const script = `
      source <(mini completion bash)
      compopt() { echo "$@"; }
      COMP_LINE='mini ps -f st' COMP_POINT=13 COMP_WORDS=(mini ps -f st) COMP_CWORD=3
      _mini
    `;
    assertEquals(await shell("bash", ["--norc", "--noprofile", "-c"], script), "-o nospace\n");
  },
});

Deno.test({
  name: "bash completes at the cursor, not at the end of the line",
  ignore: !isInstalled("bash"),
  fn: async () => {
    const script = `
      source <(mini completion bash)
      COMP_LINE='mini version --help' COMP_POINT=8 COMP_WORDS=(mini version --help) COMP_CWORD=1
      _mini
      printf '%s\\n' "\${COMPREPLY[@]}"
    `;
    assertEquals(await shell("bash", ["--norc", "--noprofile", "-c"], script), "version\n");
  },
});

Deno.test({
  name: "fish completes commands, flags, values and paths with descriptions",
  ignore: !isInstalled("fish"),
  fn: async () => {
    const fish = (line: string) => {
      return shell("fish", ["--no-config", "-c"], `mini completion fish | source; complete -C '${line}'`);
    };
    assertEquals(await fish("mini vers"), "version\tShow the versions of mini, Deno and the kernel\n");
    assertStringIncludes(await fish("mini version --f"), "--format\tPrint with a Go template");
    assertEquals(await fish("mini version --format j"), "json\n");
    assertEquals(await fish("mini version --format=j"), "--format=json\n");
    assertEquals((await fish("mini completion ")).split("\n").sort(), ["", "bash", "fish", "zsh"]);
    assertEquals(await fish("mini --root s"), "sub/\tDirectory\n");
    assertStringIncludes(await fish("mini --root=s"), "--root=sub/");
    const fake = "mini completion fish | string replace -a 'complete -c mini' 'complete -c fake' | source";
    assertEquals(
      await shell("fish", ["--no-config", "-c"], `${fake}; complete -C './fake rmi alpine:l'`),
      "alpine:latest\tAn image: small\n",
    );
  },
});

/** Asserts what an interactive zsh shows once the tab key has been pressed after a line. */
async function assertZsh(line: string, ...expected: string[]): Promise<void> {
  const script = `
    setopt extendedglob
    zmodload zsh/zpty
    zpty shell zsh -f -i
    zpty -w shell 'PS1= PROMPT_EOL_MARK= ; autoload -Uz compinit && compinit -D -u; source <(mini completion zsh); compdef _mini fake; echo re''ady'
    zpty -r -m shell out '*ready*'
    zpty -w -n shell $'${line}\\t'
    wanted=(${expected.map((text) => `'${text}'`).join(" ")})
    text='' plain=''
    integer deadline=$((SECONDS + 30))
    while ((SECONDS < deadline)); do
      while zpty -r -t shell out; do text+=$out; done
      plain=\${\${text//$'\\e'\\[[0-9;?]#[a-zA-Z]/}//[$'\\r\\a']/}
      missing=0
      for word in $wanted; do [[ $plain == *$word* ]] || missing=1; done
      ((missing)) || break
      sleep 0.05
    done
    zpty -d shell
    print -r -- $plain
  `;
  const shown = await shell("zsh", ["-f", "-c"], script);
  for (const text of expected) assertStringIncludes(shown, text);
}

Deno.test({
  name: "zsh completes commands, flags, values and paths",
  ignore: !isInstalled("zsh"),
  fn: async () => {
    await assertZsh("mini vers", "mini version ");
    await assertZsh("mini version --form", "mini version --format ");
    await assertZsh("mini version --format j", "mini version --format json ");
    await assertZsh("mini version --format=j", "mini version --format=json ");
    await assertZsh("mini --root s", "mini --root sub/");
    await assertZsh("mini --root=s", "mini --root=sub/");
    await assertZsh("./fake rmi alp", "rmi alpine:latest ");
    await assertZsh("./fake rmi alpine:l", "rmi alpine:latest ");
    await assertZsh("mini completion ", "bash", "zsh", "fish");
  },
});
