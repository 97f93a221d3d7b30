# Penstock. `make` alone lists what can be made.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -X main.version=$(VERSION)
# gRPC's tracer brings html/template, with which the linker keeps every method of every type: 19 of 69 MB.
TAGS := grpcnotrace
# What the compiler writes for debuggers, the linker drops: without it a fresh machine compiles a tenth sooner, and another
# tenth where the compiler collects its garbage less often.
GO_BUILD := GOGC=400 CGO_ENABLED=0 go build -trimpath -buildvcs=false -gcflags=all=-dwarf=false
# What the compiler is told of which code serves requests; see `make profile`. Not called default.pgo, which Go would take for tests, linters
# and `make run` too, and compile all that they need once more.
PROFILE := cmd/penstock/serving.pgo
TOOLS := hack/tools/install.sh

# The image's full name: the chart's repository, and a tag that no registry has.
IMAGE ?= ghcr.io/penstock/penstock:dev

# How long each fuzz target runs.
FUZZTIME ?= 60s

# Appended to `go test`, e.g. TESTFLAGS='-run TestTranslate -v'.
TESTFLAGS ?=
# Appended to the side by side comparison, e.g. BENCHFLAGS='--seconds 10 --rounds 7'.
BENCHFLAGS ?=

##@ Everyday

.PHONY: help
help: ## List the targets
	@awk 'BEGIN { FS = ":.*## " } \
		/^##@ / { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z0-9-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## Build bin/penstock
	$(GO_BUILD) -pgo=$(PROFILE) -tags $(TAGS) -ldflags '$(LDFLAGS)' -o bin/penstock ./cmd/penstock

.PHONY: run
run: ## Serve the quickstart manifests beside three demo backends, until Ctrl-C
	@mkdir -p bin/quickstart
	$(GO_BUILD) -tags quickstart,$(TAGS) -ldflags '$(LDFLAGS)' -o bin/quickstart/ ./cmd/penstock ./hack/demo
	@exec hack/run.sh

# What must not allocate is counted without the race detector, under which sync.Pool forgets at random.
.PHONY: test
test: build ## Run every test: unit, golden, race, guards, and those against a real API server and etcd
	@gotestsum=$$($(TOOLS) gotestsum)/gotestsum; \
	assets=$${KUBEBUILDER_ASSETS:-$$($(TOOLS) kube-apiserver etcd kubectl)}; \
	helm=$${HELM:-$$($(TOOLS) helm)/helm}; helm3=$${HELM3:-$$($(TOOLS) helm3)/helm3}; \
	login=$${OAUTH2_PROXY:-$$($(TOOLS) oauth2-proxy)/oauth2-proxy}; extauthz=$${EXTAUTHZ:-$$($(TOOLS) extauthz)/extauthz}; \
	$$gotestsum --format pkgname-and-test-fails -- -run Alloc ./proxy/... && \
	KUBEBUILDER_ASSETS=$$assets HELM=$$helm HELM3=$$helm3 OAUTH2_PROXY=$$login EXTAUTHZ=$$extauthz $$gotestsum --format pkgname-and-test-fails -- -race $(TESTFLAGS) ./...

.PHONY: fuzz
fuzz: ## Run every fuzz target for FUZZTIME (default 60s)
	@hack/fuzz.sh $(FUZZTIME)

.PHONY: conformance
conformance: build ## Hold the binary against the suites of others, whose cases are in CONFORMANCE_DIR
	@hack/conformance/run.sh

.PHONY: profile
profile: build ## Renew the profile that the compiler optimises by
	hack/bench/run.sh pgo $(BENCHFLAGS)

.PHONY: bench
bench: bench-micro bench-figures bench-peers bench-tls bench-dataplane bench-filters bench-limits bench-soak ## Measure everything that docs/benchmarks.md states

.PHONY: bench-micro
bench-micro: ## Run the micro-benchmarks
	go test -run '^$$' -bench . -benchmem ./proxy/... ./controllers/...

.PHONY: bench-figures
bench-figures: build ## Measure with the controller on, against a real API server
	@assets=$${KUBEBUILDER_ASSETS:-$$($(TOOLS) kube-apiserver etcd kubectl)}; \
	KUBEBUILDER_ASSETS=$$assets hack/figures/run.sh latency churn memory cost relist

.PHONY: bench-peers
bench-peers: build ## Compare plain proxying with nginx, HAProxy and net/http's ReverseProxy
	@for connections in 50 200; do for path in / /1k; do \
		hack/bench/run.sh --connections $$connections --path $$path $(BENCHFLAGS); \
	done; done; \
	hack/bench/run.sh --path /64k $(BENCHFLAGS)

.PHONY: bench-tls
bench-tls: build ## Compare requests on kept TLS connections, and full handshakes
	@for new in "" --new; do hack/bench/run.sh $$new $(BENCHFLAGS) penstock-tls nginx-tls haproxy-tls; done

.PHONY: bench-dataplane
bench-dataplane: build ## Measure latency, allocations, system calls, idle connections and a CPU quota
	@for figure in latency cost idle quota; do hack/bench/run.sh $$figure $(BENCHFLAGS); done

.PHONY: bench-filters
bench-filters: build ## Measure what tokens, keys and limits add to a request, and all together beside peers without
	@for figure in added all; do hack/bench/run.sh filters $$figure $(BENCHFLAGS); done

.PHONY: bench-limits
bench-limits: build ## Measure limits that replicas share, through Redis, which may fail, and without
	@for figure in redis hot shared faults; do hack/bench/run.sh limits $$figure; done

.PHONY: bench-soak
bench-soak: build ## Watch memory and failures over ten minutes of load and changes
	hack/bench/run.sh soak

##@ In a cluster

.PHONY: image
image: build ## Write the image to bin/image/penstock.tar, without a container engine
	go run ./hack/image -o bin/image/penstock.tar -ref $(IMAGE) bin/penstock

.PHONY: cluster-up
cluster-up: image ## Start a local Kubernetes of one node with Penstock in it
	@hack/cluster/cluster build
	@hack/cluster/cluster up
	@hack/cluster/cluster install
	@hack/cluster/cluster hints

.PHONY: cluster-down
cluster-down: ## End the local Kubernetes
	@hack/cluster/cluster down

.PHONY: e2e
e2e: image ## Run the tests in a Kubernetes of their own: Penstock restarts, scales and dies under load
	@hack/e2e.sh $(TESTFLAGS)

.PHONY: e2e-short
e2e-short: image ## Run those of them that do not depend on how fast the machine is
	@hack/e2e.sh -run 'TestEveryReplicaServes|TestReadyIsTrueWhen|TestReadyIsTrue$$/(steady|rolling)|TestScaleDown|TestDeletedPod|TestHelmUpgrade|TestRollingUpdate$$'

##@ Before a commit

.PHONY: fmt
fmt: ## Format the code and order its imports
	$$($(TOOLS) golangci-lint)/golangci-lint fmt ./...

.PHONY: generate
generate: ## Regenerate deepcopy code, CRDs, RBAC, the API and values references and the golden files
	@generator=$$($(TOOLS) controller-gen)/controller-gen; set -x; \
	$$generator object:headerFile=hack/boilerplate.go.txt paths=./api/...; \
	$$generator crd paths=./api/... output:crd:dir=config/crd/bases; \
	$$generator rbac:roleName=penstock paths=./controllers/... output:rbac:dir=config/rbac; \
	rm -f charts/penstock/files/crds/*; cp config/crd/bases/*.yaml charts/penstock/files/crds/; cp config/rbac/role.yaml charts/penstock/files/; \
	go run ./hack/apidoc; \
	go run ./hack/chartdoc; \
	go test ./controllers/translate ./proxy/i18n -update

.PHONY: verify
verify: ## Fail when something generated, a golden file or a go.mod is stale
	@MAKE='$(MAKE)' hack/verify.sh

.PHONY: lint
lint: ## Run golangci-lint, with kube-api-linter for the API types
	$$($(TOOLS) golangci-lint)/golangci-lint run ./...
	go vet -tags quickstart ./cmd/penstock
