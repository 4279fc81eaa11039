/** The completion scripts in the shells that they are for. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { isInstalled, miniCommand } from "./mini_command.ts";

/** Runs a script of a shell with `mini` in PATH, in a folder with the files `notes.txt` and `sub/`. */
async function shell(program: string, args: readonly string[], script: string): Promise<string> {
  using mini = miniCommand();
  const work = `${mini.folder}/work`;
  Deno.mkdirSync(`${work}/sub`, { recursive: true });
  Deno.writeTextFileSync(`${work}/notes.txt`, "");
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
  },
});

/** What an interactive zsh makes of a line when the tab key is pressed after it. */
async function zsh(line: string): Promise<string> {
  const script = `
    zmodload zsh/zpty
    zpty shell zsh -f -i
    zpty -w shell 'PS1= PROMPT_EOL_MARK= ; autoload -Uz compinit && compinit -D -u; source <(mini completion zsh); echo re''ady'
    zpty -r -m shell out '*ready*'
    zpty -w -n shell $'${line}\\t'
    integer deadline=$((SECONDS + 10))
    text=''
    last=-1
    # The line is complete when nothing has been added to it for a while.
    while ((SECONDS < deadline)); do
      sleep 0.5
      while zpty -r -t shell out; do text+=$out; done
      ((last >= 0 && $#text == last && $#text > ${line.length})) && break
      last=$#text
    done
    zpty -d shell
    print -r -- $text
  `;
  // deno-lint-ignore no-control-regex
  return (await shell("zsh", ["-f", "-c"], script)).replace(/\x1b\[[0-9;?]*[a-zA-Z]|\x07|\r/g, "");
}

Deno.test({
  name: "zsh completes commands, flags, values and paths",
  ignore: !isInstalled("zsh"),
  fn: async () => {
    assertStringIncludes(await zsh("mini vers"), "mini version ");
    assertStringIncludes(await zsh("mini version --form"), "mini version --format ");
    assertStringIncludes(await zsh("mini version --format j"), "mini version --format json ");
    assertStringIncludes(await zsh("mini version --format=j"), "mini version --format=json ");
    assertStringIncludes(await zsh("mini --root s"), "mini --root sub/");
    assertStringIncludes(await zsh("mini --root=s"), "mini --root=sub/");
    const choices = await zsh("mini completion ");
    for (const word of ["bash", "zsh", "fish"]) assert(choices.includes(word), choices);
  },
});
