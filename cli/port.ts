/** `mini port`. */
import { MiniError } from "../ffi/errors.ts";
import { Containers } from "../engine/containers.ts";
import { networksOf } from "../engine/network_view.ts";
import { withPort } from "../network/ports.ts";
import type { Invocation } from "./command.ts";
import { write } from "./output.ts";

export default async function ({ args, globals }: Invocation): Promise<number> {
  const containers = new Containers(globals.root, globals.state), [name, wanted] = args;
  const { record } = await containers.get(name!);
  const ports = (networksOf(containers, record.id)?.ports ?? []).map((port) => ({
    inside: `${port.containerPort}/${port.protocol}`,
    outside: withPort(port.hostIp, port.hostPort),
  }));
  if (wanted === undefined) {
    write(ports.map(({ inside, outside }) => `${inside} -> ${outside}\n`).join(""));
    return 0;
  }
  const key = wanted.includes("/") ? wanted : `${wanted}/tcp`;
  const found = ports.filter(({ inside }) => inside === key);
  if (found.length === 0) throw new MiniError(`the container ${record.name} has no published port ${key}`);
  write(found.map(({ outside }) => `${outside}\n`).join(""));
  return 0;
}
