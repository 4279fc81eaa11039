# The rest of the first program, in its root: runs the tests, hands on what they print and how they ended, switches off.
. /run/settings
cd "$project" || exit 1
output=$(echo /dev/vport*p1) report=$(echo /dev/vport*p2)
{
	eval "$command"
	echo $? >/run/status
} </dev/null 2>&1 | /run/busybox cat >"$output"
{
	echo "status $(cat /run/status)"
	cat /run/report.xml 2>/dev/null
} >"$report"
/run/busybox sync
/run/busybox poweroff -f
