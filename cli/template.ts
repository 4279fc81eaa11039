/** Carries out templates in the notation of Go's text/template, as `--format` and `inspect -f` take them. */

import { MiniError } from "../ffi/errors.ts";
import { nearest } from "./suggest.ts";
import {
  describe,
  entries,
  functions as allFunctions,
  show,
  type TemplateFunction,
  type TemplateFunctions,
  truth,
  type Value,
} from "./template_functions.ts";
import { type Call, type Node, type Operand, parseTemplate, type Pipeline } from "./template_parse.ts";

/** A template that has been read: given a value it returns text. */
export type Template = (data: Value) => string;

/**
 * Reads a template.
 *
 * The result throws a {@linkcode MiniError} when it asks for a field that the value does not have.
 *
 * @param overrides functions that take the place of those with the same name
 * @param shown what becomes of the text of each value
 * @throws {MiniError} when the template is wrong or uses what is not supported
 */
export function compileTemplate(
  template: string,
  overrides: TemplateFunctions = {},
  shown: (text: string) => string = (text) => text,
): Template {
  const nodes = parseTemplate(template);
  const functions = { ...allFunctions, ...overrides };
  checkFunctions(nodes, functions);
  return (data) => {
    const run = new Run(data, functions, shown);
    run.nodes(nodes, data);
    return run.text;
  };
}

const LAZY = ["and", "or"];

/** Unknown functions are told when the template is read, also in a branch that is never taken. */
function checkFunctions(nodes: readonly Node[], functions: TemplateFunctions): void {
  const checkOperand = (operand: Operand): void => {
    if (operand.type === "function" && !LAZY.includes(operand.name) && !Object.hasOwn(functions, operand.name)) {
      const near = nearest(operand.name, [...LAZY, ...Object.keys(functions)]);
      throw new MiniError(
        `there is no template function '${operand.name}'${near ? `, did you mean '${near}'?` : ""}`,
      );
    }
    if (operand.type === "pipeline") operand.pipeline.calls.flat().forEach(checkOperand);
    if (operand.type === "field") checkOperand(operand.of);
  };
  for (const node of nodes) {
    if ("pipeline" in node) node.pipeline.calls.flat().forEach(checkOperand);
    if ("body" in node) {
      checkFunctions(node.body, functions);
      checkFunctions(node.otherwise, functions);
    }
  }
}

/** How a list of nodes ended: all done, or by a `{{break}}` or `{{continue}}`. */
type Ending = "done" | "break" | "continue";

class Run {
  text = "";
  /** The innermost last; `$` is the first. */
  readonly #variables: { name: string; value: Value }[];

  readonly #functions: TemplateFunctions;
  readonly #shown: (text: string) => string;

  constructor(data: Value, functions: TemplateFunctions, shown: (text: string) => string) {
    this.#functions = functions;
    this.#shown = shown;
    this.#variables = [{ name: "", value: data }];
  }

  nodes(nodes: readonly Node[], dot: Value): Ending {
    for (const node of nodes) {
      const ending = this.#node(node, dot);
      if (ending !== "done") return ending;
    }
    return "done";
  }

  #node(node: Node, dot: Value): Ending {
    switch (node.type) {
      case "text":
        this.text += node.text;
        return "done";
      case "action": {
        const value = this.#pipeline(node.pipeline, dot);
        this.#store(node.pipeline, [value]);
        if (node.pipeline.variables.length === 0) this.text += this.#shown(show(value));
        return "done";
      }
      case "break":
      case "continue":
        return node.type;
    }
    // Variables that are declared in a block end with it.
    const outside = this.#variables.length;
    const value = this.#pipeline(node.pipeline, dot);
    let ending: Ending;
    if (node.type === "range") ending = this.#range(node, value, dot);
    else {
      this.#store(node.pipeline, [value]);
      const taken = truth(value);
      ending = this.nodes(taken ? node.body : node.otherwise, taken && node.type === "with" ? value : dot);
    }
    this.#variables.length = outside;
    return ending;
  }

  #range(node: Node & { type: "range" | "if" | "with" }, value: Value, dot: Value): Ending {
    const items = rangeItems(value);
    if (items.length === 0) return this.nodes(node.otherwise, dot);
    const outside = this.#variables.length;
    for (const [key, item] of items) {
      this.#store(node.pipeline, node.pipeline.variables.length === 2 ? [key, item] : [item]);
      const ending = this.nodes(node.body, item);
      this.#variables.length = outside;
      if (ending === "break") break;
    }
    return "done";
  }

  #store({ variables, assigns }: Pipeline, values: readonly Value[]): void {
    for (const [i, name] of variables.entries()) {
      if (assigns) this.#variable(name).value = values[i];
      else this.#variables.push({ name, value: values[i] });
    }
  }

  #variable(name: string): { value: Value } {
    const variable = this.#variables.findLast((variable) => variable.name === name);
    if (!variable) throw new MiniError(`the template uses the variable $${name} before it has a value`);
    return variable;
  }

  #pipeline({ calls }: Pipeline, dot: Value): Value {
    let value: Value;
    for (const [i, call] of calls.entries()) value = this.#call(call, dot, i === 0 ? [] : [value]);
    return value;
  }

  #call([first, ...operands]: Call, dot: Value, piped: readonly Value[]): Value {
    if (first!.type === "function" && LAZY.includes(first!.name)) {
      return this.#lazy(first!.name, [
        ...operands.map((operand) => () => this.#operand(operand, dot)),
        ...piped.map((value) => () => value),
      ]);
    }
    const args = () => [...operands.map((operand) => this.#operand(operand, dot)), ...piped];
    if (first!.type === "function") return callFunction(first!.name, this.#functions[first!.name]!, args());
    const value = this.#value(first!, dot);
    if (typeof value === "function") return value(...args());
    if (operands.length + piped.length > 0) {
      throw new MiniError(`the template gives arguments to ${describe(value)}, which is not a function`);
    }
    return value;
  }

  /** `and` stops at the first value that is not true, `or` at the first that is. */
  #lazy(name: string, args: readonly (() => Value)[]): Value {
    if (args.length === 0) throw new MiniError(`the template function ${name} needs an argument`);
    let value: Value;
    for (const arg of args) {
      value = arg();
      if (truth(value) === (name === "or")) break;
    }
    return value;
  }

  /** A value as an argument: a function or a method without arguments is called. */
  #operand(operand: Operand, dot: Value): Value {
    if (operand.type === "function") return this.#call([operand], dot, []);
    const value = this.#value(operand, dot);
    return typeof value === "function" ? value() : value;
  }

  #value(operand: Operand, dot: Value): Value {
    switch (operand.type) {
      case "dot":
        return dot;
      case "literal":
        return operand.value;
      case "function":
        return this.#call([operand], dot, []);
      case "variable":
        return this.#variable(operand.name).value;
      case "pipeline":
        return this.#pipeline(operand.pipeline, dot);
      case "field":
        return field(this.#operand(operand.of, dot), operand.name);
    }
  }
}

function callFunction(name: string, [min, max, run]: TemplateFunction, args: readonly Value[]): Value {
  if (args.length < min || args.length > max) {
    const wanted = min === max ? min : max === Infinity ? `at least ${min}` : `${min} to ${max}`;
    throw new MiniError(
      `the template function ${name} takes ${wanted} argument${wanted === 1 ? "" : "s"}, not ${args.length}`,
    );
  }
  return run(...args);
}

function field(value: Value, name: string): Value {
  if (value instanceof Map) return value.get(name);
  if (value === undefined || value === null) {
    throw new MiniError(`the template asks for .${name} of something that has no value`);
  }
  if (typeof value !== "object" || Array.isArray(value)) {
    throw new MiniError(`the template asks for .${name} of ${describe(value)}, which has no fields`);
  }
  if (Object.hasOwn(value, name)) return (value as Record<string, Value>)[name];
  const fields = Object.keys(value);
  const near = nearest(name, fields);
  const known = fields.length <= 24 ? `there are ${fields.map((name) => `.${name}`).join(", ") || "no fields"}` : "";
  throw new MiniError(
    `the template asks for .${name}, which does not exist` +
      (near ? `, did you mean .${near}?` : known && `; ${known}`),
  );
}

/** How often a template may repeat something for a number. */
const MOST_ROUNDS = 10_000;

function rangeItems(value: Value): [Value, Value][] {
  if (value === undefined || value === null) return [];
  if (Array.isArray(value)) return value.map((item, i) => [i, item]);
  if (typeof value === "object") return entries(value);
  if (typeof value === "number" && Number.isInteger(value) && value <= MOST_ROUNDS) {
    return Array.from({ length: Math.max(0, value) }, (_, i) => [i, i]);
  }
  throw new MiniError(`the template cannot range over ${describe(value)}`);
}
