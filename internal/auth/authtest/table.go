package authtest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/spillway-metering/spillway/internal/auth"
)

// table is "Who may see and do what" of the semantics, RPC by RPC. It is written down here once more, and not read from
// the contract's declarations: they are what it is to find wrong.
//
// "yes" is for every organization. The other words are of who belongs to one, and never hold for another: "own" is
// always, "itself" where the request names the caller's own seat, "if shared" on a plan for several people, and "if shown"
// where the organization shows its pool to members, or has no other member to hide it from.
const table = `
                                                              | orchestrator | billing | operator | admin     | member
Reserve Commit Release Extend GetReservation                  | yes          |         | yes      |           |
ListReservations                                              | yes          |         | yes      | own       | itself
TopUp Refund                                                  |              | yes     | yes      |           |
GrantAccess RevokeAccess ListAccessChanges                    |              |         | yes      | own       |
GetPool ListLedgerEntries                                     |              | yes     | yes      | own       | if shown
GetMeter                                                      |              |         | yes      | own       | itself
ExplainTurn                                                   | yes          |         | yes      | own       | itself
GetMember ListMembers                                         |              | yes     | yes      | if shared | if shared
PutPlan GetPlan ListPlans                                     |              | yes     | yes      |           |
PutOrganization GetOrganization ListOrganizations             |              | yes     | yes      |           |
PutMember RemoveMember                                        |              | yes     | yes      |           |
PutPriceBook GetPriceBook ListPriceBooks Quote                |              | yes     | yes      |           |
GetPlanUsage                                                  |              | yes     | yes      | if shared | if shared
RecountPlanUsage                                              |              | yes     | yes      | if shared |
ReportUsage EstimateRunway                                    |              | yes     | yes      | own       |
RegisterResource UnregisterResource                           |              | yes     | yes      |           |
GetTime Advance SetTime                                       |              |         | yes      |           |
ListAuditEntries                                              |              |         | yes      | own       |
`

// columns are the roles that the table's columns are of. An owner is an Admin.
var columns = []auth.Role{auth.Orchestrator, auth.Billing, auth.Operator, auth.Admin, auth.Member}

// Row is who may call an RPC: the table's word for each role, without one for those who never may.
type Row map[auth.Role]string

// Call is what the table's words ask of a call by one who belongs to an organization.
type Call struct {
	Own    bool // It names the caller's own organization.
	Itself bool // It names the caller's own seat.
	Shown  bool // The caller's organization shows its pool to members.
	Shared bool // The caller's organization is on a plan for several people.
}

// words are the table's for those who belong to an organization, and what they mean in it.
var words = map[string]func(Call) bool{
	"own":       func(Call) bool { return true },
	"itself":    func(c Call) bool { return c.Itself },
	"if shared": func(c Call) bool { return c.Shared },
	"if shown":  func(c Call) bool { return c.Shown || !c.Shared },
}

// Allows says whether a caller may make a call; a role of zero may make none.
func (r Row) Allows(role auth.Role, c Call) bool {
	if !role.Bound() {
		return r[role] == "yes"
	}
	holds, ok := words[r[role]]
	return ok && c.Own && holds(c)
}

// Table is the row of every RPC in Methods. It fails the test if one has none, or a row no RPC.
func Table(t testing.TB) map[protoreflect.FullName]Row {
	t.Helper()
	rows, err := parse(table)
	if err != nil {
		t.Fatal(err)
	}
	tabled, complaints := match(rows, Methods(t))
	for _, complaint := range complaints {
		t.Error(complaint)
	}
	return tabled
}

// parse reads a table: the name of each RPC and its row.
func parse(text string) (map[string]Row, error) {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	rows := map[string]Row{}
	for _, line := range lines[1:] {
		cells := strings.Split(line, "|")
		if len(cells) != 1+len(columns) {
			return nil, fmt.Errorf("%q has %d cells", line, len(cells))
		}
		row, err := parseRow(cells[1:])
		if err != nil {
			return nil, fmt.Errorf("%q: %w", line, err)
		}
		for _, rpc := range strings.Fields(cells[0]) {
			if _, twice := rows[rpc]; twice {
				return nil, fmt.Errorf("%s is in the table twice", rpc)
			}
			rows[rpc] = row
		}
	}
	return rows, nil
}

func parseRow(cells []string) (Row, error) {
	row := Row{}
	for i, role := range columns {
		word := strings.TrimSpace(cells[i])
		if word == "" {
			continue
		}
		if _, ofBound := words[word]; ofBound != role.Bound() || (!ofBound && word != "yes") {
			return nil, fmt.Errorf("%q says nothing of %s", word, role)
		}
		row[role] = word
	}
	return row, nil
}

// match gives each method its row. It complains of a method without one, of rows that are left over, and of one that two
// methods of a name would share: which of them was meant?
func match(
	rows map[string]Row, methods []protoreflect.MethodDescriptor,
) (tabled map[protoreflect.FullName]Row, complaints []string) {
	tabled, left := map[protoreflect.FullName]Row{}, maps.Clone(rows)
	for _, method := range methods {
		row, ok := left[string(method.Name())]
		if !ok {
			complaints = append(complaints, fmt.Sprintf("%s has no row of its own in the table", method.FullName()))
			continue
		}
		tabled[method.FullName()] = row
		delete(left, string(method.Name()))
	}
	for _, name := range slices.Sorted(maps.Keys(left)) {
		complaints = append(complaints, fmt.Sprintf("the table has %s, which is no RPC", name))
	}
	return tabled, complaints
}
