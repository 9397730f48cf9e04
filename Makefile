# Grove: one static binary, the page and the catalogue of definitions included.

SHELL       := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
VCS         := $(shell git rev-parse HEAD >/dev/null 2>&1 && echo auto || echo false)
VERSION     := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LINT        := .tools/golangci-lint-2.15.0
WEB         := viewer/web
PAGE        := $(WEB)/dist/index.html
MODULES     := $(WEB)/node_modules/.package-lock.json
JMX     := viewer/export/jolokia/testdata/client
CLIENT  := $(JMX)/node_modules/.package-lock.json
GO           = $$(git ls-files -co --exclude-standard '*.go')
export CGO_ENABLED := 0
export GOFLAGS     := -mod=readonly -trimpath -buildvcs=$(VCS)

.PHONY: help run build web test tested race fuzz bench lint check fmt clean
help: ## tell what there is to make
	@awk -F':.*## ' '/^[a-z]+:.*## /{printf "make %-8s%s\n", $$1, $$2}' Makefile

run: build ## build grove and serve this host's tree on http://127.0.0.1:7440
	@exec bin/grove serve --data data

build: web ## build bin/grove, with the page in it
	go build -ldflags '-s -w -X grove/cmd/cli.Version=$(VERSION)' -o bin/grove ./cmd/grove

web: $(PAGE) ## build the page
$(PAGE): $(MODULES) $(shell find $(WEB)/src $(WEB)/static -type f) $(WEB)/build.mjs
	cd $(WEB) && npm run --silent build
$(MODULES): $(WEB)/package-lock.json
	cd $(WEB) && npm ci --no-audit --no-fund
	@touch $@

test: ## install what the tests need, then test everything, in a browser too
	.ci/install
	@$(MAKE) --no-print-directory build tested
	cd $(WEB) && npm run --silent check && npm test --silent

$(CLIENT): $(JMX)/package-lock.json # a real JMX client, for the tests
	cd $(JMX) && npm ci --no-audit --no-fund
	@touch $@

# The race detector slows the databases and whole programs five times; what mostly waits for
# them is tested without it, and all of it with it by "make race".
PLAIN := cmd/cli definitions test(/peers)? notify/(book|ledger|outbox|route)(/.*)? notify/peer/(authority|lease|duty/book|record(/.*)?) \
	tree/(history|store)(/.*)? viewer/record(/.*)? viewer/export/(jolokia|prometheus|promql|sapcontrol)
LIST   = $$(go list ./... | grep $(1) -E "^grove/($$(echo '$(strip $(PLAIN))' | tr -s ' \t' '|'))$$")
TESTED = go test -p 3 -timeout 15m -shuffle=on -vet=off -ldflags='-s -w'
tested: web $(CLIENT)
	go vet ./...
	$(TESTED) $(call LIST,)
	CGO_ENABLED=1 $(TESTED) -race $(call LIST,-v)

race: web $(CLIENT) ## test all Go packages under the race detector
	CGO_ENABLED=1 $(TESTED) -race ./...

fuzz: ## fuzz every target, each for FUZZTIME (5s)
	.ci/fuzz

bench: web ## measure what grove promises and print the figures
	.ci/bench

lint: $(LINT) ## look for what reviewers would say
	$(LINT) run
$(LINT): # from the Go proxy; go.mod stays free of it
	GOFLAGS=-trimpath GOBIN=$(CURDIR)/.tools go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
	mv .tools/golangci-lint $@

check: ## all of it: format, go.mod, lint, test
	@test -z "$$(gofmt -l $(GO))" || { gofmt -l $(GO); echo "these are not formatted: make fmt"; exit 1; }
	go mod tidy -diff
	@$(MAKE) --no-print-directory lint test

fmt: ## format the Go files
	gofmt -w $(GO)

clean: ## remove what was built; data/ stays
	rm -rf bin .tools coverage.out $(WEB)/node_modules $(JMX)/node_modules
	find $(WEB)/dist -mindepth 1 ! -name .gitkeep -delete
