package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protojson"

	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
	"github.com/spillway-metering/spillway/internal/dial"
)

// explainTimeout bounds the one call.
const explainTimeout = 10 * time.Second

// explainCommand is `meterctl explain`.
type explainCommand struct {
	Organization string `arg:"" help:"Organization of the turn."`

	Reservation string `placeholder:"ID" xor:"turn" required:"" help:"Reservation of the turn."`
	Request     string `placeholder:"ID" xor:"turn" required:"" help:"Request id of its Reserve: the only way to a turn that was refused."`
	Member      string `placeholder:"ID" help:"Member whose turn it must be."`
	JSON        bool   `name:"json" help:"Print the contract's JSON of the receipt instead of the story."`

	dial.Server
}

// Run is called by kong.
func (c *explainCommand) Run(ctx context.Context, to terminal) error {
	options, err := c.Options()
	if err != nil {
		return err
	}
	conn, err := grpc.NewClient(c.Address, options...)
	if err != nil {
		return fmt.Errorf("--address %s: %w", c.Address, err)
	}
	receipt, err := c.ask(ctx, meterv1.NewUsageServiceClient(conn))
	if err := errors.Join(err, conn.Close()); err != nil {
		return err
	}
	text := strings.Join(receipt.GetStory(), "\n")
	if c.JSON {
		text = protojson.Format(receipt)
	}
	if _, err := fmt.Fprintln(to.stdout, text); err != nil {
		return fmt.Errorf("printing the story: %w", err)
	}
	return nil
}

func (c *explainCommand) ask(ctx context.Context, usage meterv1.UsageServiceClient) (*meterv1.Receipt, error) {
	ctx, cancel := context.WithTimeout(ctx, explainTimeout)
	defer cancel()
	answer, err := usage.ExplainTurn(ctx, &meterv1.ExplainTurnRequest{
		OrganizationId: c.Organization, MemberId: c.Member, ReservationId: c.Reservation, RequestId: c.Request,
	})
	if err != nil {
		return nil, fmt.Errorf("asking %s: %w", c.Address, err)
	}
	return answer.GetReceipt(), nil
}
