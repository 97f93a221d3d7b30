# syntax=docker/dockerfile:1
# The image of Penstock: one static binary and nothing else. It opens no TLS connection that system roots would have to
# vouch for, so it has no CA certificates either. For several architectures:
#
#   docker buildx build --platform linux/amd64,linux/arm64 --build-arg VERSION=$(git describe --tags --always) -t NAME:TAG .
FROM --platform=$BUILDPLATFORM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .
ARG TARGETOS TARGETARCH VERSION=dev
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
	CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH \
	go build -trimpath -buildvcs=false -pgo=cmd/penstock/serving.pgo -tags grpcnotrace -ldflags "-s -w -X main.version=$VERSION" -o /penstock ./cmd/penstock

FROM scratch
LABEL org.opencontainers.image.source=https://github.com/penstock/penstock org.opencontainers.image.licenses=Apache-2.0
COPY --from=build /penstock /penstock
USER 65532:65532
ENTRYPOINT ["/penstock"]
