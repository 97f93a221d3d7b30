"""The targets of the comparison: each is given the same table, 3,334 hosts, or $BENCH_HOSTS, with three paths each, and three
endpoints.

Penstock, nginx and Traefik write an access log, a line of JSON a request, gathered in a buffer and written to /dev/null;
HAProxy, which has no such buffer, writes none.
"""

import base64
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "hack/bench/out"

HOSTS = [f"app{i}.example.com" for i in range(int(os.environ.get("BENCH_HOSTS", "3334")))]
ASKED = min(100, len(HOSTS))  # how many of them the load asks for
PATHS = ["/api/v1/", "/static/", "/"]
ENDPOINTS = [9001, 9002, 9003]
CHANGING = 0  # the host whose route changes while it is measured, and which is asked for


@dataclass
class Peer:
    """A target: what to start, and where it listens on 127.0.0.1."""

    name: str
    port: int
    command: list[str]
    tls: bool = False
    admin: int = 0  # port of /readyz and /metrics, if there is one
    debug: int = 0  # port of /debug/endpoints
    field: str = ""  # a field line that its requests have besides
    built_by: str = ""  # what builds its program, if run.sh does not

    @property
    def log(self) -> Path:
        """Where its standard error goes."""
        return OUT / f"{self.name}.log"


def available(names: list[str]) -> list[Peer]:
    """The named targets, their configuration written. One whose program is not installed ends the run."""
    peers = [MAKERS[name]() for name in names]
    for peer in peers:
        if shutil.which(peer.command[0]) is None:
            remedy = f": run {peer.built_by}" if peer.built_by else ""
            raise SystemExit(f"{peer.name}: {peer.command[0]} is not installed{remedy}")
    return peers


def certificate() -> tuple[Path, Path]:
    """A P-256 certificate for all hosts and its key, made once."""
    chain, key = OUT / "tls.crt", OUT / "tls.key"
    if not chain.exists():
        subprocess.run(["openssl", "req", "-x509", "-nodes", "-days", "3650", "-subj", "/CN=bench",
                        "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                        "-addext", "subjectAltName=DNS:*.example.com", "-keyout", str(key), "-out", str(chain)],
                       check=True, capture_output=True)
    return chain, key


# Penstock


def penstock(tls: bool = False) -> Peer:
    shutil.rmtree(manifests(tls), ignore_errors=True)
    manifests(tls).mkdir(parents=True)
    write(manifests(tls) / "service.yaml", PENSTOCK_SERVICE)
    write_endpoints(tls, ENDPOINTS)
    write_route(tls, 0)
    others = [i for i in range(len(HOSTS)) if i != CHANGING]
    for at in range(0, len(others), 100):
        write(manifests(tls) / f"routes-{at}.yaml", "---\n".join(penstock_route(i, PATHS, tls) for i in others[at:at + 100]))
    if tls:
        write(manifests(tls) / "secret.yaml", penstock_secret())
    command = [str(ROOT / "bin/penstock"), "standalone", "-f", str(manifests(tls)), "--drain-delay", "0s"]
    if not tls:
        return Peer("penstock", 8080, [*command, "--https-port=8453"], admin=8081, debug=8082)
    flags = {"http-port": 8090, "admin-address": "127.0.0.1:8091", "debug-address": "127.0.0.1:8092"}
    command += [f"--{name}={value}" for name, value in flags.items()]
    return Peer("penstock-tls", 8443, command, tls, admin=8091, debug=8092)


def manifests(tls: bool) -> Path:
    return OUT / ("penstock-tls" if tls else "penstock")


def write(path: Path, text: str) -> None:
    """Replaces a manifest at once, as an editor or a deployment tool does."""
    new = path.with_name("." + path.name)
    new.write_text(text)
    os.replace(new, path)


def write_route(tls: bool, version: int) -> None:
    """Writes the route that changes."""
    write(manifests(tls) / "changing.yaml", changing_route(version, tls))


def changing_route(version: int, tls: bool) -> str:
    """The route that changes; each version has a path of its own."""
    return penstock_route(CHANGING, [*PATHS, f"/version-{version}/"], tls)


def write_endpoints(tls: bool, ready: list[int]) -> None:
    write(manifests(tls) / "endpoints.yaml", "---\n".join(penstock_slice(port, port in ready) for port in ENDPOINTS))


PENSTOCK_SERVICE = """apiVersion: v1
kind: Service
metadata: {name: backend, namespace: bench}
spec:
  clusterIP: 10.96.0.10
  ports: [{name: http, port: 80, protocol: TCP}]
"""


def penstock_slice(port: int, ready: bool) -> str:
    return f"""apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: backend-{port}
  namespace: bench
  labels: {{kubernetes.io/service-name: backend}}
addressType: IPv4
ports: [{{name: http, port: {port}, protocol: TCP}}]
endpoints: [{{addresses: [127.0.0.1], conditions: {{ready: {str(ready).lower()}}}}}]
"""


def penstock_route(i: int, paths: list[str], tls: bool) -> str:
    rules = "".join(
        f"""  - matches: [{{path: {{type: PathPrefix, value: {path}}}}}]
    backends: [{{service: backend, port: http}}]
"""
        for path in paths
    )
    return f"""apiVersion: gateway.penstock.io/v1alpha1
kind: GatewayRoute
metadata: {{name: app{i}, namespace: bench}}
spec:
  hostnames: [{HOSTS[i]}]
{"  tls: {secretName: certificate}" if tls else ""}
  rules:
{rules}"""


def penstock_secret() -> str:
    chain, key = (base64.b64encode(path.read_bytes()).decode() for path in certificate())
    return f"""apiVersion: v1
kind: Secret
metadata: {{name: certificate, namespace: bench}}
type: kubernetes.io/tls
data: {{tls.crt: {chain}, tls.key: {key}}}
"""


# nginx


def nginx(tls: bool = False) -> Peer:
    name, port = ("nginx-tls", 8202) if tls else ("nginx", 8201)
    listen = f"listen 127.0.0.1:{port}" + (" ssl" if tls else "")
    conf = OUT / f"{name}.conf"
    conf.write_text(f"""daemon off; master_process off; worker_processes 1; worker_rlimit_nofile 20000;
error_log {OUT}/nginx.err; pid {OUT}/nginx.pid;
events {{ worker_connections 16000; use epoll; }}
http {{
 server_names_hash_max_size 65536; server_names_hash_bucket_size 128;
{NGINX_LOG}
 keepalive_requests 100000000; keepalive_timeout 75;
{nginx_tls() if tls else ""}
{nginx_upstream()}
 proxy_http_version 1.1;
 proxy_buffers 8 32k;
 proxy_set_header Host $host;
 proxy_set_header Connection "";
 proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
 proxy_set_header X-Forwarded-Proto $scheme;
 proxy_set_header X-Forwarded-Host $host;
 proxy_set_header X-Request-ID $request_id;
{"".join(nginx_server(host, listen) for host in HOSTS)}
 server {{ {listen} default_server; return 404; }}
}}
""")
    return Peer(name, port, ["nginx", "-p", str(OUT), "-c", str(conf), "-e", f"{OUT}/nginx.err"], tls)


# The fields of Penstock's own access log, as far as nginx knows them.
NGINX_LOG = """ log_format json escape=json '{"time":"$time_iso8601","traceId":"$request_id","method":"$request_method",'
  '"host":"$host","path":"$uri","protocol":"$server_protocol","route":"$server_name","status":$status,'
  '"duration":$request_time,"requestBytes":$request_length,"responseBytes":$body_bytes_sent,"client":"$remote_addr",'
  '"userAgent":"$http_user_agent","cluster":"$proxy_host","upstream":"$upstream_addr"}';
 access_log /dev/null json buffer=64k flush=1s;"""


def nginx_tls() -> str:
    chain, key = certificate()
    return f" ssl_certificate {chain}; ssl_certificate_key {key}; ssl_protocols TLSv1.2 TLSv1.3;"


def nginx_upstream() -> str:
    servers = "".join(f"  server 127.0.0.1:{port} max_fails=0;\n" for port in ENDPOINTS)
    temp = "".join(f" {kind}_temp_path {OUT}/nginx-{kind};\n" for kind in
                   ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"])
    return f"""{temp} upstream backend {{
{servers}  keepalive 512; keepalive_requests 100000000;
 }}"""


def nginx_server(host: str, listen: str) -> str:
    locations = "".join(f"  location {path} {{ proxy_pass http://backend; }}\n" for path in PATHS)
    return f""" server {{
  {listen}; server_name {host};
{locations} }}
"""


# HAProxy


def haproxy(tls: bool = False) -> Peer:
    name, port = ("haproxy-tls", 8211) if tls else ("haproxy", 8210)
    table = OUT / "haproxy.map"
    table.write_text("".join(f"{host}{path} b\n" for host in HOSTS for path in PATHS))
    servers = "".join(f"  server s{port} 127.0.0.1:{port} pool-max-conn -1\n" for port in ENDPOINTS)
    conf = OUT / f"{name}.cfg"
    conf.write_text(f"""global
  nbthread 1
  maxconn 8000
defaults
  mode http
  timeout client 75s
  timeout server 60s
  timeout connect 5s
  timeout http-request 10s
  timeout http-keep-alive 75s
  option http-keep-alive
  http-reuse always
frontend f
  bind 127.0.0.1:{port}{f" ssl crt {haproxy_certificate()}" if tls else ""}
  option forwardfor
  unique-id-format %[uuid()]
  unique-id-header X-Request-Id
  http-request set-header X-Forwarded-Proto {"https" if tls else "http"}
  http-request set-header X-Forwarded-Host %[req.hdr(host)]
  use_backend %[base,lower,map_beg({table},none)]
backend none
  http-request deny deny_status 404
backend b
  balance roundrobin
{servers}""")
    return Peer(name, port, ["haproxy", "-db", "-f", str(conf)], tls)


def haproxy_certificate() -> Path:
    both = OUT / "tls.pem"
    both.write_text("".join(path.read_text() for path in certificate()))
    return both


# Traefik


def traefik(fast: bool = True) -> Peer:
    """Traefik with its experimental fast proxy, or with the one it has by default."""
    name, port = ("traefik", 8231) if fast else ("traefik-default", 8232)
    table = OUT / "traefik-routes.yaml"
    table.write_text(traefik_routes())
    conf = OUT / f"{name}.yaml"
    conf.write_text(f"""global: {{checkNewVersion: false, sendAnonymousUsage: false}}
log: {{level: ERROR}}
accessLog: {{filePath: /dev/null, format: json, bufferingSize: 1000}}
entryPoints:
  web: {{address: 127.0.0.1:{port}}}
serversTransport: {{maxIdleConnsPerHost: 1024}}
providers:
  file: {{filename: {table}}}
{"experimental: {fastProxy: {}}" if fast else ""}
""")
    command = [str(OUT / "traefik"), f"--configFile={conf}"]
    return Peer(name, port, command, built_by="hack/bench/traefik/build.sh")


def traefik_routes() -> str:
    """The table as Traefik's own provider for Ingress would write it: a rule for each host and path. It tries them one by
    one, the longest first, so that with this table hardly anything else counts."""
    rules = [f"Host(`{host}`) && PathPrefix(`{path}`)" for host in HOSTS for path in PATHS]
    routers = "".join(f"    r{i}: {{rule: '{rule}', service: backend}}\n" for i, rule in enumerate(rules))
    servers = ", ".join(f"{{url: 'http://127.0.0.1:{port}'}}" for port in ENDPOINTS)
    return f"""http:
  services:
    backend: {{loadBalancer: {{servers: [{servers}]}}}}
  routers:
{routers}"""


# Others


def revproxy() -> Peer:
    upstreams = ",".join(f"127.0.0.1:{port}" for port in ENDPOINTS)
    command = [str(OUT / "revproxy"), "-addr", "127.0.0.1:8220", "-upstreams", upstreams, "-hosts", str(len(HOSTS))]
    return Peer("revproxy", 8220, command)


def forward() -> Peer:
    """Not a proxy: a byte forwarder in C, the floor."""
    return Peer("forward", 8230, [str(OUT / "forward"), "8230", *map(str, ENDPOINTS)])


MAKERS = {
    "penstock": penstock, "nginx": nginx, "haproxy": haproxy, "revproxy": revproxy, "forward": forward,
    "penstock-tls": lambda: penstock(tls=True), "nginx-tls": lambda: nginx(tls=True),
    "haproxy-tls": lambda: haproxy(tls=True),
    "traefik": traefik, "traefik-default": lambda: traefik(fast=False),
}
DEFAULT = ["penstock", "nginx", "haproxy", "revproxy", "forward"]
