package observe

import (
	"io"
	"log/slog"
)

// NewLogger returns the process's own log: a JSON object a line, on w, from level upwards.
func NewLogger(w io.Writer, level slog.Leveler) *slog.Logger {
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level}))
}
