import { CLONE_NEWPID } from "../../../ffi/constants.ts";
import { op } from "../../../ffi/program.ts";
import { run } from "./run.ts";

const program = [op("getpid", [], "who am I?", { name: "number" }), op("exit_group", [0], "the end")];
run(program, {}, (results) => console.log(`with us: ${results.of("number")! > 1 ? "some number" : "1"}`));
run(program, { flags: CLONE_NEWPID }, (results) => console.log(`in a new pid namespace: ${results.of("number")}`));
