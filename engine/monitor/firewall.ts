/** Our firewall tables while containers run: put back at once when somebody has removed them, as `nft flush ruleset` does. */
import { Netlink, NETLINK_NETFILTER } from "../../ffi/netlink.ts";
import { readable } from "../../ffi/reactor.ts";
import { Firewall } from "../../network/firewall.ts";
import { isTableRemoved, NFNLGRP_NFTABLES } from "../../network/nft_message.ts";
import { TABLE } from "../../network/nft_table.ts";
import { mendTables, withdrawStale } from "../../network/restore.ts";
import { NetworkStore } from "../../network/store.ts";
import type { Containers } from "../containers.ts";
import type { Report } from "./monitor.ts";

/** Watches from when it is made until it is closed. */
export class TableKeeper {
  readonly #stop = new AbortController();
  readonly #done: Promise<void>;

  constructor(containers: Containers, report: Report) {
    const store = new NetworkStore(containers.root, containers.state);
    this.#done = this.#keep(store, report)
      .catch((error) => report(`the firewall is not watched: ${(error as Error).message}`));
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#done;
  }

  async #keep(store: NetworkStore, report: Report): Promise<void> {
    using news = Netlink.listen(NETLINK_NETFILTER, NFNLGRP_NFTABLES);
    do {
      const changes = news.news();
      // The first time it may have happened before anybody watched.
      if (changes?.length && !changes.some((change) => isTableRemoved(change, TABLE))) continue;
      mend(store, report);
    } while (await readable(news.fd, this.#stop.signal));
  }
}

function mend(store: NetworkStore, report: Report): void {
  try {
    using firewall = new Firewall();
    if (!mendTables(store, firewall)) return;
    // A port may have been given back in between.
    withdrawStale(store, firewall);
    report("somebody has removed the firewall table mini, and it is made again");
  } catch (error) {
    report(`the firewall table mini cannot be made again: ${(error as Error).message}`);
  }
}
