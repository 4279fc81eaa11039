import { assertEquals, assertThrows } from "@std/assert";
import { MiniError } from "../ffi/errors.ts";
import { compileTemplate } from "./template.ts";

const container = {
  ID: "abc123",
  Name: "web",
  Restarts: 3,
  Load: 0.5,
  State: { Running: true, Paused: false, Error: "", Pid: 4711 },
  Args: ["-l", "/etc"],
  Mounts: [{ Source: "/a", RW: true }, { Source: "/b", RW: false }],
  Config: { Labels: new Map([["com.x", "1"], ["a", "2"]]), Entrypoint: null, Env: [] },
  Ports: { "80/tcp": [{ HostIp: "0.0.0.0", HostPort: "8080" }] },
  Label: (key: string) => key === "tier" ? "front" : "",
};

function render(template: string): string {
  return compileTemplate(template)(container);
}

function refusal(template: string): string {
  return assertThrows(() => render(template), MiniError).message;
}

function check(cases: Record<string, string>): void {
  for (const [template, text] of Object.entries(cases)) assertEquals(render(template), text, template);
}

Deno.test("a template prints fields, chains and literals", () => {
  check({
    "": "",
    "plain": "plain",
    "{{.ID}}": "abc123",
    "{{ .State.Pid }}/{{.Restarts}} {{.Load}}": "4711/3 0.5",
    "{{$.Name}}": "web",
    "{{(index .Mounts 1).Source}}": "/b",
    '{{"a\\tb\\"c\\u00e9\\x41"}}{{`raw\\n`}}': 'a\tb"cé' + "Araw\\n",
    "{{true}} {{-3}} {{1.5}} {{1e3}}": "true -3 1.5 1000",
    "} { {x": "} { {x",
  });
});

Deno.test("values print as Go prints them", () => {
  check({
    "{{.Args}}": "[-l /etc]",
    "{{.Config.Labels}}": "map[a:2 com.x:1]",
    "{{.Mounts}}": "[map[RW:true Source:/a] map[RW:false Source:/b]]",
    "{{.Config.Entrypoint}}": "<nil>",
    "{{.Config.Env}}": "[]",
    "{{.Config.Labels.nonesuch}}": "<no value>",
    "{{.State.Running}}": "true",
  });
});

Deno.test("json prints one line, tables in the order of their keys", () => {
  check({
    "{{json .State}}": '{"Running":true,"Paused":false,"Error":"","Pid":4711}',
    "{{json .Config}}": '{"Labels":{"a":"2","com.x":"1"},"Entrypoint":null,"Env":[]}',
    "{{json .Name}}": '"web"',
    "{{.Args | json}}": '["-l","/etc"]',
    "{{json .Config.Labels.nonesuch}}": "null",
  });
  assertEquals(JSON.parse(render("{{json .}}")).Label, undefined);
});

Deno.test("a template trims text beside a dash and passes over comments", () => {
  check({
    "a {{- 1 -}} b": "a1b",
    "a\n\t{{- .ID}} b": "aabc123 b",
    "a{{/* }} */}}b": "ab",
    "a {{- /* x */ -}} b": "ab",
    "{{-3}}": "-3",
    "{{.ID -}}\n x": "abc123x",
  });
});

Deno.test("if, else if, else and with choose by Go's truth", () => {
  check({
    "{{if .State.Running}}up{{else}}down{{end}}": "up",
    "{{if .State.Paused}}1{{else if .State.Error}}2{{else if .State.Running}}3{{else}}4{{end}}": "3",
    "{{if .Config.Env}}env{{end}}{{if .Args}}args{{end}}{{if .Config.Entrypoint}}entry{{end}}": "args",
    "{{if 0}}0{{end}}{{if -1}}-1{{end}}": "-1",
    "{{with .State}}{{.Pid}} {{$.Name}}{{end}}": "4711 web",
    "{{with .State.Error}}{{.}}{{else}}none of {{.Name}}{{end}}": "none of web",
    "{{with .State.Error}}1{{else with .Name}}{{.}}{{end}}": "web",
    "{{if not .State.Paused}}go{{end}}": "go",
  });
});

Deno.test("range goes through lists, tables and numbers", () => {
  check({
    "{{range .Mounts}}{{.Source}};{{end}}": "/a;/b;",
    "{{range $i, $m := .Mounts}}{{$i}}={{$m.Source}} {{end}}": "0=/a 1=/b ",
    "{{range $m := .Mounts}}{{$m.RW}} {{end}}": "true false ",
    "{{range $k, $v := .Config.Labels}}{{$k}}={{$v}},{{end}}": "a=2,com.x=1,",
    "{{range $p, $c := .Ports}}{{$p}}->{{(index $c 0).HostPort}}{{end}}": "80/tcp->8080",
    "{{range .Config.Env}}x{{else}}none{{end}}": "none",
    "{{range .Config.Entrypoint}}x{{else}}none{{end}}": "none",
    "{{range 3}}{{.}}{{end}}": "012",
    "{{range .Args}}{{if eq . `/etc`}}{{break}}{{end}}{{.}}{{end}}": "-l",
    "{{range .Args}}{{if eq . `-l`}}{{continue}}{{end}}{{.}}{{end}}": "/etc",
  });
});

Deno.test("variables live to the end of their block", () => {
  check({
    "{{$x := .Name}}{{if true}}{{$x := 1}}{{$x}}{{end}}{{$x}}": "1web",
    "{{$x := 1}}{{if true}}{{$x = 2}}{{end}}{{$x}}": "2",
    "{{$n := 0}}{{range .Args}}{{$n = .}}{{end}}{{$n}}": "/etc",
    "{{if $x := .Name}}{{$x}}{{end}}": "web",
    "{{with $x := .State}}{{$x.Pid}}{{end}}": "4711",
  });
  assertEquals(
    refusal("{{if true}}{{$x := 1}}{{end}}{{$x}}"),
    "the template uses the variable $x before it has a value",
  );
  assertEquals(refusal("{{$x = 1}}"), "the template uses the variable $x before it has a value");
});

Deno.test("comparisons and logic follow Go", () => {
  check({
    "{{eq .Name `web`}} {{ne .Name `web`}} {{eq .Restarts 1 2 3}}": "true false true",
    "{{lt 1 2}}{{le 2 2}}{{gt 1 2}}{{ge `b` `a`}}": "truetruefalsetrue",
    "{{and .Name 0 .Nonesuch}}|{{or .State.Error .Name .Nonesuch}}": "0|web",
    "{{and true (not false)}} {{or 0 ``}}": "true ",
    "{{eq .Config.Entrypoint nil}}": "true",
    "{{if and .State.Running (eq .Restarts 3)}}yes{{end}}": "yes",
  });
  assertEquals(refusal("{{eq 1 `1`}}"), "the template function eq cannot compare 1 with '1'");
  assertEquals(refusal("{{eq .Args .Args}}"), "the template function eq cannot compare a list");
  assertEquals(refusal("{{lt true false}}"), "the template function lt cannot order true");
});

Deno.test("functions of Go and of Docker", () => {
  check({
    "{{len .Args}}{{len .Name}}{{len .Config.Labels}}{{len `é`}}": "2322",
    "{{index .Args 0}} {{index .Config.Labels `com.x`}} {{index .Config.Labels `no`}}|": "-l 1 |",
    "{{(index (index .Ports `80/tcp`) 0).HostPort}} {{(index .Ports `80/tcp` 0).HostIp}}": "8080 0.0.0.0",
    "{{slice .ID 0 3}} {{slice .Args 1}}": "abc [/etc]",
    "{{join .Args `, `}} {{split `a:b` `:`}} {{join (split `a:b` `:`) `/`}}": "-l, /etc [a b] a/b",
    "{{upper .Name}} {{lower `ABC`}} {{title `hello big world`}}": "WEB abc Hello Big World",
    "{{pad .Name 1 2}}|{{truncate .ID 3}}|{{truncate .ID 99}}": " web  |abc|abc123",
    "{{print 1 2 `a` `b` 3}}|{{println .Name 1}}|{{println}}": "1 2ab3|web 1\n|\n",
    "{{.Name | upper | printf `%s-%s` `x` | len}}": "5",
    "{{`a` | eq `a`}} {{title `it's big-x`}}": "true It'S Big-X",
    "{{index .Ports `81/tcp`}}": "<no value>",
    "{{.Label `tier`}} {{.Label `x`}}|{{if .Label `tier`}}y{{end}}": "front |y",
  });
});

Deno.test("printf pads and prints as Go does", () => {
  check({
    "{{printf `%5d|%-5d|%05d|%+d|%x|%X` 42 42 -42 42 255 255}}": "   42|42   |-0042|+42|ff|FF",
    '{{printf `%q|%6.2f|%t|%v|%%` `a"b` 3.14159 true .Args}}': '"a\\"b"|  3.14|true|[-l /etc]|%',
    "{{printf `%-8s|%8s|%.2s` .Name .Name .Name}}": "web     |     web|we",
    "{{.Restarts | printf `%d times`}}": "3 times",
  });
  assertEquals(refusal("{{printf `%d`}}"), "the template function printf has no value for %d");
  assertEquals(refusal("{{printf `%d` `x`}}"), "the template function printf %d takes a whole number, not 'x'");
  assertEquals(refusal("{{printf `x` 1}}"), "the template function printf has more values than its text asks for");
  assertEquals(refusal("{{printf `%z` 1}}"), "the template function printf does not know %z");
  assertEquals(refusal("{{printf `%99999999d` 1}}"), "the template function printf does not pad as far as %99999999d");
});

Deno.test("a field that does not exist is told with the nearest", () => {
  assertEquals(refusal("{{.Nam}}"), "the template asks for .Nam, which does not exist, did you mean .Name?");
  assertEquals(
    refusal("{{.State.Zzzzzz}}"),
    "the template asks for .Zzzzzz, which does not exist; there are .Running, .Paused, .Error, .Pid",
  );
  assertEquals(refusal("{{.Name.X}}"), "the template asks for .X of 'web', which has no fields");
  assertEquals(refusal("{{.Config.Entrypoint.X}}"), "the template asks for .X of something that has no value");
  assertEquals(refusal("{{.constructor}}").startsWith("the template asks for .constructor, which does not"), true);
  assertEquals(refusal("{{.__proto__}}").startsWith("the template asks for .__proto__, which does not"), true);
});

Deno.test("wrong arguments are refused in a sentence", () => {
  assertEquals(refusal("{{index .Args 5}}"), "the template asks for item 5 of a list that has 2");
  assertEquals(refusal("{{index .Args `x`}}"), "the template function index takes a whole number, not 'x'");
  assertEquals(refusal("{{index .Name 0}}"), "the template function index takes a list or a table, not 'web'");
  assertEquals(refusal("{{len 3}}"), "the template function len takes text, a list or a table, not 3");
  assertEquals(refusal("{{join .Name `,`}}"), "the template function join takes a list, not 'web'");
  assertEquals(refusal("{{upper .Args}}"), "the template function upper takes text, not a list");
  assertEquals(refusal("{{not 1 2}}"), "the template function not takes 1 argument, not 2");
  assertEquals(refusal("{{slice .ID 5 3}}"), "the template asks for items 5 to 3 of something that has 6");
  assertEquals(refusal("{{.Name 3}}"), "the template gives arguments to 'web', which is not a function");
  assertEquals(refusal("{{range .Name}}{{end}}"), "the template cannot range over 'web'");
  assertEquals(refusal("{{range 99999999}}{{end}}"), "the template cannot range over 99999999");
  assertEquals(refusal("{{and}}"), "the template function and needs an argument");
});

Deno.test("a template that cannot be read is refused before it is used", () => {
  const wrong: Record<string, string> = {
    "{{.Name": "a }} is missing",
    "{{": "a }} is missing",
    "{{}}": "a value is missing",
    "{{if true}}": "the {{end}} of {{if}} is missing",
    "{{if true}}{{else}}": "the {{end}} of {{if}} is missing",
    "{{if}}{{end}}": "a value is missing",
    "{{end}}": "there is nothing that {{end}} could belong to",
    "{{else}}": "there is nothing that {{else}} could belong to",
    "{{if true}}{{else with .Name}}{{end}}": "'with' is not expected",
    "{{(.Name}}": "a ) is missing",
    "{{.Name)}}": "')' is not expected",
    "{{.Name |}}": "a value is missing",
    "{{3 | 4}}": "after a | there must be a function",
    "{{true.x}}": "a literal has no fields",
    "{{break}}": "{{break}} stands in no {{range}}",
    "{{template `x`}}": "{{template}} is not supported",
    "{{define `x`}}{{end}}": "{{define}} is not supported",
    "{{0x10}}": "'0' is not understood",
    "{{.Name ; 1}}": "';' is not understood",
    '{{"a}}': "'\"' is not understood",
    '{{"\\q"}}': "\\q is not understood",
    "{{ - 3}}": "'-' is not understood",
  };
  for (const [template, reason] of Object.entries(wrong)) {
    const { message } = assertThrows(() => compileTemplate(template), MiniError, undefined, template);
    assertEquals(message.replace(/^the template '[^]*' is wrong near character \d+: /, ""), reason);
  }
});

Deno.test("an unknown function is told even where it is never called", () => {
  const refusal = (template: string) => assertThrows(() => compileTemplate(template), MiniError).message;
  assertEquals(refusal("{{uper .Name}}"), "there is no template function 'uper', did you mean 'upper'?");
  assertEquals(refusal("{{if false}}{{(html `<`)}}{{end}}"), "there is no template function 'html'");
  assertEquals(refusal("{{constructor}}"), "there is no template function 'constructor'");
});

Deno.test("a template that nests without end is refused, not a crash", () => {
  for (
    const template of [
      "{{" + "(".repeat(50_000) + "}}",
      "{{if true}}".repeat(50_000),
      "{{if 1}}" + "{{else if 1}}".repeat(50_000),
    ]
  ) {
    assertThrows(() => compileTemplate(template), MiniError, "nested too deep");
  }
});
