// Command image writes an OCI image of one static binary without a container engine: an image layout in a tar file, as
// `ctr images import` reads it. The binary is all that is in it, and its entrypoint; it runs as user 65532. The same binary
// gives the same bytes.
//
//	image -o bin/image/penstock.tar -ref ghcr.io/penstock/penstock:dev bin/penstock
package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

func main() {
	out := flag.String("o", "", "tar file to write")
	ref := flag.String("ref", "", "full name of the image, registry and tag included")
	arch := flag.String("arch", runtime.GOARCH, "architecture of the binary, as GOARCH has it")
	flag.Parse()
	if flag.NArg() != 1 || *out == "" || !strings.Contains(*ref, ":") {
		fmt.Fprintln(os.Stderr, "usage: image -o FILE -ref NAME:TAG [-arch GOARCH] BINARY")
		os.Exit(2)
	}
	if err := run(*out, *ref, *arch, flag.Arg(0)); err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

func run(out, ref, arch, binary string) error {
	content, err := os.ReadFile(binary)
	if err != nil {
		return err
	}
	files, err := layout(ref, arch, filepath.Base(binary), content)
	if err != nil {
		return err
	}
	var archive bytes.Buffer
	if err := writeTar(&archive, files...); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(out), 0o755); err != nil {
		return err
	}
	return os.WriteFile(out, archive.Bytes(), 0o644)
}

// file is one of a tar file.
type file struct {
	name    string
	mode    int64
	content []byte
}

// descriptor names a blob of an image layout (image-spec, descriptor.md).
type descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int               `json:"size"`
	Annotations map[string]string `json:"annotations,omitempty"`
	Platform    map[string]string `json:"platform,omitempty"`
}

// layout returns the files of an image layout (image-spec, image-layout.md) with one image of one layer.
func layout(ref, arch, name string, binary []byte) ([]file, error) {
	layer, compressed, err := layerOf(name, binary)
	if err != nil {
		return nil, err
	}
	files := []file{{"oci-layout", 0o644, []byte(`{"imageLayoutVersion":"1.0.0"}`)}}
	blob := func(kind string, content []byte) descriptor {
		files = append(files, file{"blobs/sha256/" + sum(content), 0o644, content})
		return descriptor{MediaType: "application/vnd.oci.image." + kind, Digest: "sha256:" + sum(content), Size: len(content)}
	}
	layerBlob := blob("layer.v1.tar+gzip", compressed)
	config, err := json.Marshal(map[string]any{
		"architecture": arch, "os": "linux",
		"config": map[string]any{"User": "65532:65532", "Entrypoint": []string{"/" + name}, "WorkingDir": "/"},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{"sha256:" + sum(layer)}},
	})
	if err != nil {
		return nil, err
	}
	manifest, err := json.Marshal(map[string]any{
		"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
		"config": blob("config.v1+json", config), "layers": []descriptor{layerBlob},
	})
	if err != nil {
		return nil, err
	}
	image := blob("manifest.v1+json", manifest)
	image.Platform = map[string]string{"architecture": arch, "os": "linux"}
	image.Annotations = map[string]string{
		"io.containerd.image.name":          ref,
		"org.opencontainers.image.ref.name": ref[strings.LastIndex(ref, ":")+1:],
	}
	index, err := json.Marshal(map[string]any{
		"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": []descriptor{image},
	})
	if err != nil {
		return nil, err
	}
	return append(files, file{"index.json", 0o644, index}), nil
}

// layerOf returns the layer, as it is and compressed.
func layerOf(name string, binary []byte) (layer, compressed []byte, err error) {
	var plain, zipped bytes.Buffer
	if err := writeTar(&plain, file{name, 0o755, binary}); err != nil {
		return nil, nil, err
	}
	z, err := gzip.NewWriterLevel(&zipped, gzip.BestSpeed)
	if err != nil {
		return nil, nil, err
	}
	if _, err := z.Write(plain.Bytes()); err != nil {
		return nil, nil, err
	}
	if err := z.Close(); err != nil {
		return nil, nil, err
	}
	return plain.Bytes(), zipped.Bytes(), nil
}

func writeTar(to io.Writer, files ...file) error {
	w := tar.NewWriter(to)
	for _, f := range files {
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: f.name, Mode: f.mode, Size: int64(len(f.content))}); err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
		if _, err := w.Write(f.content); err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
	}
	return w.Close()
}

func sum(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}
