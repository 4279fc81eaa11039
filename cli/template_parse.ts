/**
 * Reads a template in the notation of Go's text/template, as people write it after `--format`, into a tree that
 * template.ts carries out. What is not read, `define`, `template` and `block`, is refused.
 */

import { MiniError } from "../ffi/errors.ts";

/** A value inside an action. */
export type Operand =
  | { type: "dot" }
  | { type: "literal"; value: string | number | boolean | null }
  | { type: "function"; name: string }
  | { type: "variable"; name: string }
  | { type: "pipeline"; pipeline: Pipeline }
  /** `.A` of the value before the point. */
  | { type: "field"; of: Operand; name: string };

/** A function or method with its arguments, or a single value. */
export type Call = readonly Operand[];

/** Calls, each given the result of the one before as its last argument. */
export interface Pipeline {
  /** The variables that take the value: one, in `range` also two. */
  readonly variables: readonly string[];
  /** `=`, not `:=`. */
  readonly assigns: boolean;
  readonly calls: readonly Call[];
}

/** A part of a template. */
export type Node =
  | { type: "text"; text: string }
  | { type: "action"; pipeline: Pipeline }
  | { type: "if" | "with" | "range"; pipeline: Pipeline; body: readonly Node[]; otherwise: readonly Node[] }
  | { type: "break" | "continue" };

interface Token {
  type: "string" | "number" | "field" | "dot" | "variable" | "word" | "sign";
  /** The token as written; of a string what it says; of a field or variable the name alone. */
  text: string;
  /** Whether a space stands before it: `.A.B` is one value, `.A .B` are two. */
  spaced: boolean;
}

const TOKEN =
  /(\s*)(?:"((?:\\.|[^"\\\n])*)"|`([^`]*)`|([+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)(?![\p{L}\p{N}_])|\.([\p{L}_][\p{L}\p{N}_]*)|(\.)|\$([\p{L}\p{N}_]*)|([\p{L}_][\p{L}\p{N}_]*)|(:=|[=|(),]))/uy;
const END = /\s*(?:\s-)?}}/y;

/** How deep a template may nest, so that none can exhaust the stack. */
const DEEPEST = 100;

/**
 * The parts of a template.
 *
 * @throws {MiniError} with what is wrong and at which character
 */
export function parseTemplate(template: string): readonly Node[] {
  return new Parser(template).parse();
}

class Parser {
  readonly #template: string;
  #at = 0;
  /** The tokens of the action that is being read. */
  #tokens: Token[] = [];
  #next = 0;
  #trimText = false;
  #depth = 0;
  #loops = 0;

  constructor(template: string) {
    this.#template = template;
  }

  parse(): readonly Node[] {
    const { nodes, end } = this.#nodes();
    if (end) throw this.#error(`there is nothing that {{${end}}} could belong to`);
    return nodes;
  }

  #error(what: string): MiniError {
    const shown = this.#template.length > 80 ? `${this.#template.slice(0, 80)}...` : this.#template;
    return new MiniError(`the template '${shown}' is wrong near character ${this.#at}: ${what}`);
  }

  /** Reads up to the `{{end}}` or `{{else}}` of the surrounding action, or to the end of the template. */
  #nodes(): { nodes: Node[]; end?: "end" | "else" } {
    if (++this.#depth > DEEPEST) throw this.#error("it is nested too deep");
    const nodes: Node[] = [];
    while (this.#at < this.#template.length) {
      const open = this.#template.indexOf("{{", this.#at);
      let text = this.#template.slice(this.#at, open < 0 ? undefined : open);
      if (this.#trimText) text = text.trimStart();
      this.#trimText = false;
      const trims = open >= 0 && /^{{-\s/.test(this.#template.slice(open, open + 4));
      if (trims) text = text.trimEnd();
      if (text) nodes.push({ type: "text", text });
      if (open < 0) {
        this.#at = this.#template.length;
        break;
      }
      this.#at = open + (trims ? 3 : 2);
      if (this.#comment()) continue;
      this.#readTokens();
      const keyword = this.#tokens[0]?.type === "word" ? this.#tokens[0].text : "";
      if (keyword === "end" || keyword === "else") {
        this.#next = 1;
        this.#depth--;
        return { nodes, end: keyword };
      }
      nodes.push(this.#action(keyword));
    }
    this.#depth--;
    return { nodes };
  }

  #comment(): boolean {
    const comment = /\s*\/\*[^]*?\*\/(\s-)?}}/y;
    comment.lastIndex = this.#at;
    const match = comment.exec(this.#template);
    if (!match) return false;
    this.#at = comment.lastIndex;
    this.#trimText = match[1] !== undefined;
    return true;
  }

  #readTokens(): void {
    this.#tokens = [];
    this.#next = 0;
    while (true) {
      END.lastIndex = TOKEN.lastIndex = this.#at;
      const end = END.exec(this.#template);
      if (end) {
        this.#trimText = end[0].endsWith("-}}");
        this.#at = END.lastIndex;
        return;
      }
      const match = TOKEN.exec(this.#template);
      if (!match) {
        const rest = this.#template.slice(this.#at).trimStart();
        throw this.#error(rest ? `'${[...rest][0]}' is not understood` : "a }} is missing");
      }
      const [, space, quoted, raw, number, field, dot, variable, word, sign] = match;
      const token = quoted !== undefined
        ? { type: "string" as const, text: this.#unquote(quoted) }
        : raw !== undefined
        ? { type: "string" as const, text: raw }
        : number !== undefined
        ? { type: "number" as const, text: number }
        : field !== undefined
        ? { type: "field" as const, text: field }
        : dot !== undefined
        ? { type: "dot" as const, text: dot }
        : variable !== undefined
        ? { type: "variable" as const, text: variable }
        : word !== undefined
        ? { type: "word" as const, text: word }
        : { type: "sign" as const, text: sign! };
      this.#tokens.push({ ...token, spaced: space !== "" });
      this.#at = TOKEN.lastIndex;
    }
  }

  #unquote(quoted: string): string {
    const simple: Record<string, string> = { n: "\n", t: "\t", r: "\r", '"': '"', "\\": "\\", a: "\x07", b: "\b" };
    return quoted.replace(/\\(?:x([\da-fA-F]{2})|u([\da-fA-F]{4})|(.))/gu, (escape, x, u, letter) => {
      if (x ?? u) return String.fromCharCode(parseInt(x ?? u, 16));
      const character = simple[letter];
      if (character === undefined) throw this.#error(`${escape} is not understood`);
      return character;
    });
  }

  #action(keyword: string): Node {
    switch (keyword) {
      case "if":
      case "with":
      case "range":
        this.#next = 1;
        return this.#block(keyword);
      case "break":
      case "continue":
        this.#next = 1;
        this.#finish();
        if (this.#loops === 0) throw this.#error(`{{${keyword}}} stands in no {{range}}`);
        return { type: keyword };
      case "define":
      case "template":
      case "block":
        throw this.#error(`{{${keyword}}} is not supported`);
    }
    const pipeline = this.#pipeline(1);
    this.#finish();
    return { type: "action", pipeline };
  }

  #block(type: "if" | "with" | "range"): Node {
    const pipeline = this.#pipeline(type === "range" ? 2 : 1);
    this.#finish();
    if (type === "range") this.#loops++;
    const body = this.#nodes();
    if (type === "range") this.#loops--;
    if (!body.end) throw this.#error(`the {{end}} of {{${type}}} is missing`);
    if (body.end === "end") {
      this.#finish();
      return { type, pipeline, body: body.nodes, otherwise: [] };
    }
    // `{{else if}}` is an `if` in the else part, and shares its `{{end}}`.
    const word = this.#tokens[this.#next]?.text;
    if (word !== undefined && word === type && type !== "range") {
      this.#next++;
      if (++this.#depth > DEEPEST) throw this.#error("it is nested too deep");
      const otherwise = [this.#block(type)];
      this.#depth--;
      return { type, pipeline, body: body.nodes, otherwise };
    }
    this.#finish();
    const otherwise = this.#nodes();
    if (otherwise.end !== "end") throw this.#error(`the {{end}} of {{${type}}} is missing`);
    this.#finish();
    return { type, pipeline, body: body.nodes, otherwise: otherwise.nodes };
  }

  /** The whole action must have been read. */
  #finish(): void {
    const token = this.#tokens[this.#next];
    if (token) throw this.#error(`'${token.text}' is not expected`);
  }

  #sign(text: string): boolean {
    const token = this.#tokens[this.#next];
    if (token?.type !== "sign" || token.text !== text) return false;
    this.#next++;
    return true;
  }

  #pipeline(mostVariables: number): Pipeline {
    if (++this.#depth > DEEPEST) throw this.#error("it is nested too deep");
    const { variables, assigns } = this.#variables(mostVariables);
    const calls: Call[] = [this.#call()];
    while (this.#sign("|")) {
      const call = this.#call();
      if (call[0]!.type === "literal" || call[0]!.type === "dot") {
        throw this.#error("after a | there must be a function");
      }
      calls.push(call);
    }
    this.#depth--;
    return { variables, assigns, calls };
  }

  #variables(most: number): { variables: string[]; assigns: boolean } {
    const start = this.#next;
    const variables: string[] = [];
    do {
      const token = this.#tokens[this.#next];
      if (token?.type !== "variable") break;
      variables.push(token.text);
      this.#next++;
    } while (variables.length < most && this.#sign(","));
    if (variables.length > 0) {
      if (this.#sign(":=")) return { variables, assigns: false };
      if (this.#sign("=")) return { variables, assigns: true };
    }
    this.#next = start;
    return { variables: [], assigns: false };
  }

  #call(): Call {
    const operands: Operand[] = [];
    while (true) {
      const token = this.#tokens[this.#next];
      if (!token || (token.type === "sign" && token.text !== "(")) break;
      operands.push(this.#operand());
    }
    if (operands.length === 0) throw this.#error("a value is missing");
    return operands;
  }

  #operand(): Operand {
    const token = this.#tokens[this.#next++]!;
    let operand = this.#simple(token);
    while (this.#tokens[this.#next]?.type === "field" && !this.#tokens[this.#next]!.spaced) {
      if (operand.type === "literal" || operand.type === "dot") throw this.#error("a literal has no fields");
      operand = { type: "field", of: operand, name: this.#tokens[this.#next++]!.text };
    }
    return operand;
  }

  #simple(token: Token): Operand {
    switch (token.type) {
      case "string":
        return { type: "literal", value: token.text };
      case "number":
        return { type: "literal", value: Number(token.text) };
      case "field":
        return { type: "field", of: { type: "dot" }, name: token.text };
      case "dot":
        return { type: "dot" };
      case "variable":
        return { type: "variable", name: token.text };
      case "word":
        if (token.text === "nil") return { type: "literal", value: null };
        if (token.text === "true" || token.text === "false") return { type: "literal", value: token.text === "true" };
        return { type: "function", name: token.text };
      case "sign": {
        const pipeline = this.#pipeline(1);
        if (!this.#sign(")")) throw this.#error("a ) is missing");
        return { type: "pipeline", pipeline };
      }
    }
  }
}
