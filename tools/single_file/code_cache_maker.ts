/** The process in which code_cache.ts makes code caches, because V8 reads its flags at its start. */
import { Script } from "node:vm";

const [folder] = Deno.args;
const texts: string[] = JSON.parse(Deno.readTextFileSync(`${folder}/texts.json`));
texts.forEach((text, i) => Deno.writeFileSync(`${folder}/${i}.cache`, new Script(text).createCachedData()));
