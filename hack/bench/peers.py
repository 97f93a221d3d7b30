"""The targets of the comparison: each is given the same table, 1000 hosts with three paths each, and three endpoints."""

import shutil
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "hack/bench/out"

HOSTS = [f"app{i}.example.com" for i in range(1000)]
PATHS = ["/api/v1/", "/static/", "/"]
ENDPOINTS = [9001, 9002, 9003]


@dataclass
class Peer:
    """A target: what to start, and where it listens on 127.0.0.1."""

    name: str
    port: int
    command: list[str]
    env: dict[str, str] = field(default_factory=dict)


def available(names: list[str]) -> list[Peer]:
    """The named targets, their configuration written; those whose program is not installed are named and left out."""
    peers = []
    for name in names:
        peer = MAKERS[name]()
        if shutil.which(peer.command[0]) is None:
            print(f"{name}: {peer.command[0]} is not installed, left out")
        else:
            peers.append(peer)
    return peers


def penstock() -> Peer:
    manifests = OUT / "penstock"
    manifests.mkdir(parents=True, exist_ok=True)
    (manifests / "service.yaml").write_text(penstock_service())
    (manifests / "routes.yaml").write_text("---\n".join(penstock_route(i, host) for i, host in enumerate(HOSTS)))
    command = [str(ROOT / "bin/penstock"), "standalone", "-f", str(manifests)]
    return Peer("penstock", 8080, command, {"GOMAXPROCS": "1"})


def penstock_service() -> str:
    slices = "".join(
        f"""---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: backend-{port}
  namespace: bench
  labels: {{kubernetes.io/service-name: backend}}
addressType: IPv4
ports: [{{name: http, port: {port}, protocol: TCP}}]
endpoints: [{{addresses: [127.0.0.1], conditions: {{ready: true}}}}]
"""
        for port in ENDPOINTS
    )
    return f"""apiVersion: v1
kind: Service
metadata: {{name: backend, namespace: bench}}
spec:
  clusterIP: 10.96.0.10
  ports: [{{name: http, port: 80, protocol: TCP}}]
{slices}"""


def penstock_route(i: int, host: str) -> str:
    rules = "".join(
        f"""  - matches: [{{path: {{type: PathPrefix, value: {path}}}}}]
    backends: [{{service: backend, port: http}}]
"""
        for path in PATHS
    )
    return f"""apiVersion: gateway.penstock.io/v1alpha1
kind: GatewayRoute
metadata: {{name: app{i}, namespace: bench}}
spec:
  hostnames: [{host}]
  rules:
{rules}"""


def nginx() -> Peer:
    servers = "".join(f"  server 127.0.0.1:{port} max_fails=0;\n" for port in ENDPOINTS)
    locations = "".join(f"  location {path} {{ proxy_pass http://backend; }}\n" for path in PATHS)
    temp = "".join(f" {kind}_temp_path {OUT}/nginx-{kind};\n" for kind in
                   ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"])
    conf = OUT / "nginx.conf"
    conf.write_text(f"""daemon off; master_process off; worker_processes 1; worker_rlimit_nofile 20000;
error_log {OUT}/nginx.err; pid {OUT}/nginx.pid;
events {{ worker_connections 16000; use epoll; }}
http {{
 server_names_hash_max_size 8192; server_names_hash_bucket_size 128;
 access_log off;
 keepalive_requests 100000000; keepalive_timeout 75;
{temp} upstream backend {{
{servers}  keepalive 512; keepalive_requests 100000000;
 }}
 proxy_http_version 1.1;
 proxy_set_header Host $host;
 proxy_set_header Connection "";
 proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
 proxy_set_header X-Forwarded-Proto $scheme;
 proxy_set_header X-Forwarded-Host $host;
 proxy_set_header X-Request-ID $request_id;
 server {{
  listen 127.0.0.1:8201;
  server_name {" ".join(HOSTS)};
{locations} }}
 server {{ listen 127.0.0.1:8201 default_server; return 404; }}
}}
""")
    return Peer("nginx", 8201, ["nginx", "-p", str(OUT), "-c", str(conf), "-e", f"{OUT}/nginx.err"])


def haproxy() -> Peer:
    hosts = OUT / "haproxy.hosts"
    hosts.write_text("".join(host + "\n" for host in HOSTS))
    rules = "".join(f"  use_backend b if {{ path_beg {path} }}\n" for path in PATHS)
    servers = "".join(f"  server s{port} 127.0.0.1:{port} pool-max-conn -1\n" for port in ENDPOINTS)
    conf = OUT / "haproxy.cfg"
    conf.write_text(f"""global
  nbthread 1
  maxconn 8000
defaults
  mode http
  timeout client 75s
  timeout server 60s
  timeout connect 5s
  option http-keep-alive
  http-reuse always
frontend f
  bind 127.0.0.1:8210
  option forwardfor
  unique-id-format %[uuid()]
  unique-id-header X-Request-Id
  http-request deny deny_status 404 unless {{ req.hdr(host) -i -f {hosts} }}
  http-request set-header X-Forwarded-Proto http
  http-request set-header X-Forwarded-Host %[req.hdr(host)]
{rules}backend b
  balance roundrobin
{servers}""")
    return Peer("haproxy", 8210, ["haproxy", "-db", "-f", str(conf)])


def revproxy() -> Peer:
    upstreams = ",".join(f"127.0.0.1:{port}" for port in ENDPOINTS)
    command = [str(OUT / "revproxy"), "-addr", "127.0.0.1:8220", "-upstreams", upstreams, "-hosts", str(len(HOSTS))]
    return Peer("revproxy", 8220, command, {"GOMAXPROCS": "1"})


def forward() -> Peer:
    """Not a proxy: a byte forwarder in C, the floor."""
    return Peer("forward", 8230, [str(OUT / "forward"), "8230", *map(str, ENDPOINTS)])


MAKERS = {"penstock": penstock, "nginx": nginx, "haproxy": haproxy, "revproxy": revproxy, "forward": forward}
