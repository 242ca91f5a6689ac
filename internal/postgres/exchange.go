package postgres

import (
	"cmp"
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/jackc/pgx/v5/pgtype"
)

// exchange is one round trip in PostgreSQL's own protocol. It is for the save of a batch, of which only is asked whether it
// was committed: pgx has the server describe each statement that answers no rows, and grows its buffers anew each time.
type exchange struct {
	conn       *pgx.Conn
	cut        bool   // Whether the line was.
	messages   []byte // What is sent. This and what follows is kept for its memory.
	values     []byte // The parameters of one statement,
	parameters [][]byte
}

// mostKept bounds the memory that is kept: an ordinary batch takes a tenth of it.
const mostKept = 1 << 20

// binaryFormat is that of all parameters and results.
var binaryFormat = []int16{pgtype.BinaryFormatCode}

// do has the server carry out statements in turn: as one transaction, unless one is open. The first that fails ends them all,
// and its *pgconn.PgError is the answer. read is given every row. Where the answer does not come whole, the line is cut: what
// it still carries is nobody's.
func (x *exchange) do(ctx context.Context, batch *pgx.Batch, read func(row [][]byte) error) error {
	if err := x.encode(ctx, batch); err != nil {
		return err
	}
	line := x.conn.PgConn().Conn()
	_, err := line.Write(x.messages) // The answers are too short to fill the line the other way.
	var refused error
	if err == nil {
		refused, err = x.answer(read)
	}
	if err != nil {
		x.cut = true
		_ = line.Close()
	}
	return cmp.Or(refused, err)
}

// encode writes the messages, and prepares the statements that the connection has not met.
func (x *exchange) encode(ctx context.Context, batch *pgx.Batch) (err error) {
	if cap(x.messages)+cap(x.values) > mostKept {
		x.messages, x.values = nil, nil
	}
	x.messages = x.messages[:0]
	for _, q := range batch.QueuedQueries {
		statement, err := x.conn.Prepare(ctx, q.SQL, q.SQL)
		if err != nil {
			return err
		}
		if err := x.bind(statement, q.Arguments); err != nil {
			return err
		}
		if x.messages, err = (&pgproto3.Execute{}).Encode(x.messages); err != nil {
			return err
		}
	}
	x.messages, err = (&pgproto3.Sync{}).Encode(x.messages)
	return err
}

// bind writes the message that gives a statement its parameters.
func (x *exchange) bind(statement *pgconn.StatementDescription, arguments []any) (err error) {
	if len(arguments) != len(statement.ParamOIDs) {
		return fmt.Errorf("%d parameters for %d of %s", len(arguments), len(statement.ParamOIDs), statement.SQL)
	}
	x.values, x.parameters = x.values[:0], x.parameters[:0]
	for i, argument := range arguments {
		values, err := x.conn.TypeMap().Encode(statement.ParamOIDs[i], pgtype.BinaryFormatCode, argument, x.values)
		if err != nil {
			return fmt.Errorf("parameter %d: %w", i+1, err)
		}
		var parameter []byte // NULL.
		if values != nil {
			parameter, x.values = values[len(x.values):], values
		}
		x.parameters = append(x.parameters, parameter)
	}
	x.messages, err = (&pgproto3.Bind{
		PreparedStatement: statement.Name, Parameters: x.parameters,
		ParameterFormatCodes: binaryFormat, ResultFormatCodes: binaryFormat,
	}).Encode(x.messages)
	return err
}

// answer reads all that the server has to say: why it refused a statement, if it did, or why that cannot be told.
func (x *exchange) answer(read func(row [][]byte) error) (refused, err error) {
	for {
		message, err := x.conn.PgConn().Frontend().Receive()
		if err != nil {
			return refused, err
		}
		switch m := message.(type) {
		case *pgproto3.DataRow:
			if err := read(m.Values); err != nil {
				return refused, err
			}
		case *pgproto3.ErrorResponse:
			refused = pgconn.ErrorResponseToPgError(m)
		case *pgproto3.ReadyForQuery:
			return refused, nil
		}
	}
}
