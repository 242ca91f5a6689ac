package replay

import "sync"

// sessions keeps the turns of each session one behind the other, however many others run at once.
type sessions struct {
	mu     sync.Mutex
	behind map[string][]*turn // By session with a turn under way: those that wait for it.
}

func newSessions() *sessions {
	return &sessions{behind: map[string][]*turn{}}
}

// enter reports whether the turn may start. Otherwise it waits, and leave gives it to whoever plays the one before.
func (s *sessions) enter(t *turn) bool {
	if t.Session == "" {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	behind, busy := s.behind[t.Session]
	if busy {
		behind = append(behind, t)
	}
	s.behind[t.Session] = behind
	return !busy
}

// leave ends a turn and is the next of its session, nil if none waits.
func (s *sessions) leave(t *turn) *turn {
	if t.Session == "" {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	behind := s.behind[t.Session]
	if len(behind) == 0 {
		delete(s.behind, t.Session)
		return nil
	}
	s.behind[t.Session] = behind[1:]
	return behind[0]
}
