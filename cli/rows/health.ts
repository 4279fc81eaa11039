/** The flags of a new container about its health. */

import type { Flag } from "../command.ts";

const heading = "Health";
const time = (name: string, description: string): Flag => ({ name, kind: "duration", heading, min: 0, description });

/** What says whether a container is well, and what is done when it is not. */
export const healthFlags: readonly Flag[] = [
  {
    name: "health-cmd",
    kind: "string",
    heading,
    placeholder: "string",
    description: "Command that says whether it is well",
  },
  time("health-interval", "Time between two checks, 30s if nobody says otherwise"),
  {
    name: "health-on-failure",
    kind: "choice",
    heading,
    placeholder: "string",
    values: ["none", "kill", "restart", "stop"],
    description: "What to do when it is unhealthy (none, kill, restart, stop)",
  },
  {
    name: "health-retries",
    kind: "integer",
    heading,
    min: 0,
    description: "Failures in a row until it is unhealthy, 3",
  },
  time("health-start-interval", "Time between two checks in its start period, 5s"),
  time("health-start-period", "Time in which failures do not count yet, 0s"),
  time("health-timeout", "Time that a check may take, 30s"),
  { name: "no-healthcheck", kind: "boolean", heading, description: "Check nothing, whatever the image says" },
];
