package observe_test

import (
	"encoding/json"
	"log/slog"
	"strings"
	"testing"

	"github.com/penstock/penstock/proxy/observe"
)

func TestTheLogIsJSONFromItsLevelUpwards(t *testing.T) {
	var out strings.Builder
	log := observe.NewLogger(&out, slog.LevelInfo)
	log.Debug("left out")
	log.Info("snapshot applied", "routes", 3)
	var line struct {
		Level, Msg string
		Routes     int
	}
	if err := json.Unmarshal([]byte(out.String()), &line); err != nil {
		t.Fatalf("%v in %q", err, out.String())
	}
	if line.Level != "INFO" || line.Msg != "snapshot applied" || line.Routes != 3 {
		t.Errorf("line %+v", line)
	}
}
