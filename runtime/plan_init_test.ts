import { assert } from "@std/assert";
import { initOperations } from "./plan_init.ts";

Deno.test("the init closes what is ours on its own side alone, so that the end of the pair is the program's beginning", () => {
  for (const terminal of [false, true]) {
    const operations = initOperations(terminal);
    const at = (test: (operation: typeof operations[number]) => boolean) => operations.findIndex(test);
    const clone = at(({ call }) => call === "clone"), init = at(({ name }) => name === "init");
    const close = at(({ call }) => call === "close_range");
    assert(clone >= 0 && clone < init && init < close, `${clone}, ${init}, ${close}`);
  }
});
