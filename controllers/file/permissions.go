package file

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"k8s.io/apimachinery/pkg/util/validation/field"
	strictjson "sigs.k8s.io/json"

	"github.com/penstock/penstock/controllers/translate"
	"github.com/penstock/penstock/proxy/yield"
)

// permissionsFile is what a file of host permissions holds.
type permissionsFile struct {
	Permissions []translate.HostPermission `json:"permissions"`
}

// LoadHostPermissions reads a file of host permissions. It is read as strictly as manifests are: the error names every field
// that is wrong, and there is nothing of use then.
func LoadHostPermissions(path string) ([]translate.HostPermission, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	list, err := parsePermissions(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return list, nil
}

func parsePermissions(text []byte) ([]translate.HostPermission, error) {
	if documents := len(split(text)); documents != 1 {
		return nil, fmt.Errorf("%d documents, want one", documents)
	}
	content, err := parse(text, new(yield.Turns))
	if err != nil {
		return nil, err
	}
	if text, err = json.Marshal(content); err != nil {
		return nil, err
	}
	var read permissionsFile
	unknown, err := strictjson.UnmarshalStrict(text, &read)
	if err != nil {
		return nil, typeError(err)
	}
	if len(unknown) > 0 {
		return nil, errors.Join(unknown...)
	}
	return read.Permissions, read.validate().ToAggregate()
}

func (f *permissionsFile) validate() (errs field.ErrorList) {
	at := field.NewPath("permissions")
	if len(f.Permissions) == 0 {
		// What could be meant is both, everything and nothing.
		errs = append(errs, field.Required(at, "name at least one; without the file, everything is permitted"))
	}
	for i := range f.Permissions {
		errs = append(errs, f.Permissions[i].Validate(at.Index(i))...)
	}
	return errs
}
