// Package openapi holds the contract as an OpenAPI document, for callers who speak JSON over HTTP. `make generate` writes it.
package openapi

import (
	_ "embed" // The document.
)

// Document is the document, as YAML.
//
//go:embed openapi.yaml
var Document []byte
