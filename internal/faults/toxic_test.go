package faults

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
)

// slow is a toxiproxy before a link: it makes the way slow, jittery or narrow, and leaves the cutting to the link.
type slow struct{ proxy *toxiproxy.Proxy }

func openSlow(name, upstream string) (*slow, error) {
	nobody := zerolog.Nop()
	zerolog.SetGlobalLevel(zerolog.Disabled) // Toxics have loggers of their own.
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), nobody)
	s := &slow{toxiproxy.NewProxy(server, name, "127.0.0.1:0", upstream)}
	return s, s.proxy.Start()
}

func (s *slow) address() string { return s.proxy.Listen }

func (s *slow) close() { s.proxy.Stop() }

// poison adds a toxic in both directions.
func (s *slow) poison(kind string, attributes map[string]int) error {
	for _, stream := range []string{"upstream", "downstream"} {
		text, err := json.Marshal(map[string]any{
			"name": kind + " " + stream, "type": kind, "stream": stream, "attributes": attributes,
		})
		if err != nil {
			return err
		}
		if _, err := s.proxy.Toxics.AddToxicJson(bytes.NewReader(text)); err != nil {
			return fmt.Errorf("toxic %s: %w", text, err)
		}
	}
	return nil
}

func (s *slow) heal() { s.proxy.Toxics.ResetToxics(context.Background()) }
