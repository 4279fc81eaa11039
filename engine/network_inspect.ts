/** Networks and a container's places in them, as Docker's API shows them. */
import type { ContainerNetworks, Endpoint } from "../network/endpoints.ts";
import type { PortWish, PublishedPort } from "../network/ports.ts";
import type { NetworkAttachment } from "./network_options.ts";
import type { ListedNetwork } from "./networks.ts";
import type { ContainerConfig, ContainerRecord } from "./record.ts";

/** What `docker network inspect` shows. */
export function networkInspection(
  network: ListedNetwork,
  members: readonly { record: ContainerRecord; endpoint: Endpoint }[],
): Record<string, unknown> {
  return {
    Name: network.name,
    Id: network.id,
    Created: network.created,
    Scope: "local",
    Driver: network.driver,
    EnableIPv4: true,
    EnableIPv6: network.ipv6,
    IPAM: {
      Driver: "default",
      Options: {},
      Config: network.subnets.map(({ subnet, ipRange, gateway, auxAddresses }) => ({
        Subnet: subnet,
        ...ipRange === undefined ? {} : { IPRange: ipRange },
        ...gateway === undefined ? {} : { Gateway: gateway },
        ...auxAddresses === undefined ? {} : { AuxiliaryAddresses: auxAddresses },
      })),
    },
    Internal: network.internal,
    Attachable: false,
    Ingress: false,
    ConfigFrom: { Network: "" },
    ConfigOnly: false,
    Containers: Object.fromEntries(members.map(({ record, endpoint }) => [record.id, {
      Name: record.name,
      EndpointID: endpoint.id,
      MacAddress: endpoint.mac ?? "",
      IPv4Address: endpoint.ipv4 ? `${endpoint.ipv4.ip}/${endpoint.ipv4.prefix}` : "",
      IPv6Address: endpoint.ipv6 ? `${endpoint.ipv6.ip}/${endpoint.ipv6.prefix}` : "",
    }])),
    Options: network.options,
    Labels: network.labels,
  };
}

/** Bindings by container port, `80/tcp`. */
export function portMap(
  ports: readonly Pick<PublishedPort, "protocol" | "containerPort" | "hostIp" | "hostPort">[],
  exposed: readonly string[] = [],
): Record<string, { HostIp: string; HostPort: string }[] | null> {
  const map: Record<string, { HostIp: string; HostPort: string }[] | null> = {};
  for (const port of exposed) map[port] = null;
  for (const { protocol, containerPort, hostIp, hostPort } of ports) {
    (map[`${containerPort}/${protocol}`] ??= []).push({ HostIp: hostIp, HostPort: String(hostPort) });
  }
  return map;
}

/** What was asked for, as `HostConfig.PortBindings` has it. */
export function portBindings(wishes: readonly PortWish[] = []): ReturnType<typeof portMap> {
  const map: Record<string, { HostIp: string; HostPort: string }[]> = {};
  for (const { protocol, containerPort, hostIp = "", hostPorts } of wishes) {
    const HostPort = hostPorts === undefined ? "" : [...new Set(hostPorts)].join("-");
    (map[`${containerPort}/${protocol}`] ??= []).push({ HostIp: hostIp, HostPort });
  }
  return map;
}

/** What a container is in, `NetworkSettings`. @param networks what it has, if it runs. */
export function networkSettings(
  { id, name, config }: Pick<ContainerRecord, "id" | "name"> & { config: ContainerConfig },
  networks: ContainerNetworks | undefined,
  pid: number,
): Record<string, unknown> {
  const endpoints = networks?.endpoints ?? [];
  const first = endpoints.find(({ network }) => network === "bridge");
  const word: NetworkAttachment[] = ["none", "host"].includes(config.network) ? [{ name: config.network }] : [];
  return {
    SandboxKey: pid ? `/proc/${pid}/ns/net` : "",
    Ports: networks ? portMap(networks.ports, config.exposed) : {},
    ...legacy(first),
    Networks: Object.fromEntries([...word, ...config.networks ?? []].map((asked) => {
      const endpoint = endpoints.find(({ network }) => network === asked.name);
      const { ip, ip6, aliases = [] } = asked;
      return [asked.name, {
        IPAMConfig: ip ?? ip6 ? { ...ip ? { IPv4Address: ip } : {}, ...ip6 ? { IPv6Address: ip6 } : {} } : null,
        Links: null,
        Aliases: aliases,
        DriverOpts: null,
        MacAddress: endpoint?.mac ?? "",
        NetworkID: endpoint?.networkId ?? "",
        EndpointID: endpoint?.id ?? "",
        ...addresses(endpoint),
        DNSNames: endpoint ? [...new Set([name, ...aliases, id.slice(0, 12), config.hostname])] : null,
      }];
    })),
  };
}

const addresses = (endpoint: Endpoint | undefined) => ({
  Gateway: endpoint?.ipv4?.gateway ?? "",
  IPAddress: endpoint?.ipv4?.ip ?? "",
  IPPrefixLen: endpoint?.ipv4?.prefix ?? 0,
  IPv6Gateway: endpoint?.ipv6?.gateway ?? "",
  GlobalIPv6Address: endpoint?.ipv6?.ip ?? "",
  GlobalIPv6PrefixLen: endpoint?.ipv6?.prefix ?? 0,
});

/** The fields of the first days, which are about the default network alone. */
const legacy = (endpoint: Endpoint | undefined) => ({
  ...addresses(endpoint),
  EndpointID: endpoint?.id ?? "",
  MacAddress: endpoint?.mac ?? "",
});
