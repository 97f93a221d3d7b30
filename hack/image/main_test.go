package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// readTar returns the files of an archive by their names.
func readTar(t *testing.T, from io.Reader) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	for r := tar.NewReader(from); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		if files[h.Name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
}

// write makes an image of a binary with the given content and returns its archive.
func write(t *testing.T, content string) []byte {
	t.Helper()
	binary, out := filepath.Join(t.TempDir(), "tool"), filepath.Join(t.TempDir(), "new", "tool.tar")
	if err := os.WriteFile(binary, []byte(content), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := run(out, "registry.example.com:5000/a/tool:v1", "arm64", binary); err != nil {
		t.Fatal(err)
	}
	archive, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return archive
}

func TestImageHoldsTheBinaryAlone(t *testing.T) {
	files := readTar(t, bytes.NewReader(write(t, "#!")))
	blob := func(d descriptor, into any) {
		t.Helper()
		content := files["blobs/sha256/"+strings.TrimPrefix(d.Digest, "sha256:")]
		if len(content) != d.Size || "sha256:"+sum(content) != d.Digest {
			t.Fatalf("blob %+v has %d bytes and another digest or none", d, len(content))
		}
		if into != nil {
			if err := json.Unmarshal(content, into); err != nil {
				t.Fatal(err)
			}
		}
	}
	var index struct{ Manifests []descriptor }
	if err := json.Unmarshal(files["index.json"], &index); err != nil || len(index.Manifests) != 1 {
		t.Fatalf("index.json: %+v, %v", index, err)
	}
	image := index.Manifests[0]
	if image.Annotations["io.containerd.image.name"] != "registry.example.com:5000/a/tool:v1" || image.Platform["architecture"] != "arm64" {
		t.Errorf("image %+v", image)
	}
	var manifest struct {
		Config descriptor
		Layers []descriptor
	}
	blob(image, &manifest)
	var config struct {
		Config struct {
			User       string
			Entrypoint []string
		}
		RootFS struct {
			DiffIDs []string `json:"diff_ids"`
		}
	}
	blob(manifest.Config, &config)
	if config.Config.User != "65532:65532" || !cmp.Equal(config.Config.Entrypoint, []string{"/tool"}) {
		t.Errorf("configuration %+v", config)
	}
	blob(manifest.Layers[0], nil)
	z, err := gzip.NewReader(bytes.NewReader(files["blobs/sha256/"+strings.TrimPrefix(manifest.Layers[0].Digest, "sha256:")]))
	if err != nil {
		t.Fatal(err)
	}
	layer, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	if !cmp.Equal(config.RootFS.DiffIDs, []string{"sha256:" + sum(layer)}) {
		t.Errorf("diff_ids %v are not those of the layer", config.RootFS.DiffIDs)
	}
	if diff := cmp.Diff(map[string][]byte{"tool": []byte("#!")}, readTar(t, bytes.NewReader(layer))); diff != "" {
		t.Errorf("layer (-want +got):\n%s", diff)
	}
}

func TestTheSameBinaryGivesTheSameImage(t *testing.T) {
	if !bytes.Equal(write(t, "a"), write(t, "a")) {
		t.Error("two images of one binary differ")
	}
	if bytes.Equal(write(t, "a"), write(t, "b")) {
		t.Error("images of two binaries are the same")
	}
}
