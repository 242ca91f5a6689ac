package faults

// mutantsOfWay break how a command goes through lane and store, and how it is named on its way there.
var mutantsOfWay = []mutant{
	{
		name: "lock not taken", breaks: "two servers write the same organization at a time", file: "internal/postgres/load.go",
		edits: []edit{{"ORDER BY o.organization_id FOR NO KEY UPDATE`", "ORDER BY o.organization_id`"}},
	},
	{
		name: "look before the lock", breaks: "time, and what is due, are read before the lock: the sweeper races a late commit",
		file: "internal/postgres/load.go",
		edits: []edit{{
			"\tl.batch.Queue(lockOrganizations, l.organizations).Query(l.readOrganizations)\n" +
				"\tl.batch.Queue(l.store.sql.frame, l.organizations, l.store.config.DueLimit).Query(l.readFrame)\n",
			"\tl.batch.Queue(l.store.sql.frame, l.organizations, l.store.config.DueLimit).Query(l.readFrame)\n" +
				"\tl.batch.Queue(lockOrganizations, l.organizations).Query(l.readOrganizations)\n",
		}},
	},
	{
		name: "answer before COMMIT", breaks: "a caller is answered before the batch is saved", file: "internal/lane/worker.go",
		edits: []edit{
			{"\tit.outcome, it.err = o, err\n", "\tselect {\n\tcase <-it.done:\n\t\treturn\n\tdefault:\n\t}\n\tit.outcome, it.err = o, err\n"},
			{"\tif err := w.session.Save(", "\tdeliver(batch, answers)\n\tif err := w.session.Save("},
		},
	},
	{
		name: "failed COMMIT acknowledged", breaks: "a batch that was not saved is answered as if it were",
		file: "internal/lane/worker.go",
		edits: []edit{{
			"w.session.Save(ctx, states); err != nil {\n\t\treturn false, err\n",
			"w.session.Save(ctx, states); err != nil {\n\t\tw.session.Abandon()\n",
		}},
		first: []string{"COMMIT refused", "serialization errors", "PostgreSQL killed (SIGKILL)"},
	},
	{
		name: "answer before the disk", breaks: "PostgreSQL says COMMIT before its log is on disk", file: "internal/postgres/store.go",
		edits: []edit{{`"on",             // An answer means`, `"off", // An answer means`}},
		first: []string{"PostgreSQL killed (SIGKILL)", "PostgreSQL stopped at once (SIGQUIT)"},
	},
	{
		name: "pool remembered", breaks: "a lane keeps the pool of its last batch, whatever another server did since",
		file: "internal/lane/worker.go",
		edits: []edit{
			{"\tqueue   *queue\n}", "\tqueue   *queue\n\tkept map[string]meter.Pool\n}"},
			{"\tloaded := time.Now()\n", "\tloaded := time.Now()\n\tfor id, s := range states {\n" +
				"\t\tif o, ok := s.Organization.Get(id); ok && w.kept[id].Purchased > 0 {\n" +
				"\t\t\to.Pool = w.kept[id]\n\t\t\ts.Organization.Put(id, o)\n\t\t}\n\t}\n"},
			{"\tstats.Organizations = len(organizations)\n", "\tstats.Organizations = len(organizations)\n" +
				"\tif w.kept == nil {\n\t\tw.kept = map[string]meter.Pool{}\n\t}\n\tfor id, s := range states {\n" +
				"\t\to, _ := s.Organization.Get(id)\n\t\tw.kept[id] = o.Pool\n\t}\n"},
		},
	},
	{
		name: "memory not checked", breaks: "a lane goes by the seats and turns that it remembers, whatever another server did since",
		file: "internal/postgres/load.go", edits: []edit{{"\tm.check(l.writers)\n", ""}},
	},
	{
		name: "memory not confirmed", breaks: "a lane decides by what it remembers, and writes that without another look",
		file: "internal/postgres/save.go", edits: []edit{{"\t\tw.ahead.queueRemembered(w)\n", "\t\tw.batch.Queue(updateOrganizations, hotOrganizations(w.written)...)\n"}},
	},
	{
		name: "seat written alone", breaks: "a turn that the pool does not feel is not told to the other servers' memories",
		file:  "internal/postgres/save.go",
		edits: []edit{{"s.Members.Changed() || s.Reservations.Changed() || before", "before"}},
	},
	{
		name: "top-up under another name", breaks: "a retry of a top-up is another top-up", file: "internal/rpc/pool.go",
		edits: []edit{
			{"RequestID:      in.GetRequestId(),", "RequestID:      in.GetRequestId() + time.Now().Format(\".000000000\"),"},
			{"import (\n", "import (\n\t\"time\"\n"},
		},
	},
	{
		name: "extension cut short", breaks: "an extension's time is acknowledged, and not written",
		file:  "internal/postgres/savesql.go",
		edits: []edit{{"held_pool_micros = v.held_pool, expires_at = v.expires_at\n", "held_pool_micros = v.held_pool\n"}},
	},
}
