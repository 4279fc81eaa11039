/** Where mini's own cgroups are in the host's tree. */

/** That of shims and of the monitor: whatever ends the session that started a container must not end them. */
export const OWN_CGROUP = "/mini/runtime";
