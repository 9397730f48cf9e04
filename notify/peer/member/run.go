package member

import (
	"context"
	"errors"
	"sync"
	"time"

	"grove/notify/peer"
	"grove/notify/peer/record/sample"
)

// homeTime is how long a manager that has joined another one waits for its home when it
// starts, before it asks what it is to watch.
const homeTime = 3 * time.Second

// again is the pause after which duty is begun again when the database did not answer.
const again = 2 * time.Second

// running are the parts of a member that work.
type running struct {
	cancel context.CancelFunc
	all    sync.WaitGroup
	mu     sync.Mutex
	errs   []error
}

// run has a part work until Stop.
func (m *Member) run(ctx context.Context, part func(context.Context) error) {
	m.runs.all.Go(func() {
		if err := part(ctx); err != nil && !errors.Is(err, context.Canceled) {
			m.runs.mu.Lock()
			defer m.runs.mu.Unlock()
			m.runs.errs = append(m.runs.errs, err)
		}
	})
}

// Start links to others, and asks home what this manager is to watch, for some seconds at
// most. It comes before the definitions are loaded.
func (m *Member) Start(ctx context.Context) {
	ctx, m.runs.cancel = context.WithCancel(ctx)
	m.learnNames(ctx)
	m.learnDatabase(ctx)
	uppers := m.Authority.Uppers()
	for _, u := range uppers {
		m.call(u)
	}
	m.run(ctx, func(ctx context.Context) error { return m.Authority.Run(ctx, m.Meter) })
	m.run(ctx, m.Leases.Run)
	m.run(ctx, m.Registry.Run)
	if len(uppers) > 0 {
		m.waitForHome(ctx)
	}
	if err := m.Duty.Start(ctx); err != nil {
		m.log.Error("who watches what is not known; it is asked again", "err", err)
		m.run(ctx, func(ctx context.Context) error { return m.startAgain(ctx) })
	} else {
		m.run(ctx, m.Duty.Run)
	}
	for _, part := range []func(context.Context) error{
		m.Branches.Run, m.Sender.Run, m.Receiver.Run, m.Filler.Run, m.Remote.Run, m.exchange.Run, m.watchFile, m.listenAgain, m.tick,
		func(ctx context.Context) error { sample.Answer(ctx, m.Meter, m.o.History, m.shares); return nil },
		func(ctx context.Context) error { m.Asker.Answer(ctx); return nil },
	} {
		m.run(ctx, part)
	}
	m.join()
}

// waitForHome waits until a home has answered.
func (m *Member) waitForHome(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, homeTime)
	defer cancel()
	pace := time.NewTicker(50 * time.Millisecond)
	defer pace.Stop()
	for m.Registry.Home().Left <= 0 {
		select {
		case <-ctx.Done():
			return
		case <-pace.C:
		}
	}
}

// startAgain begins duty once the database answers, and goes on with it.
func (m *Member) startAgain(ctx context.Context) error {
	pause := time.NewTicker(again)
	defer pause.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-pause.C:
		}
		if err := m.Duty.Start(ctx); err == nil {
			return m.Duty.Run(ctx)
		}
	}
}

// Stop ends everything, says goodbye, and waits.
func (m *Member) Stop() error {
	if m.runs.cancel != nil {
		m.runs.cancel()
		m.runs.all.Wait()
	}
	m.Fabric.Close()
	return errors.Join(m.runs.errs...)
}

// tick lets time pass for twins, tells them of links, and has what hangs on links follow.
func (m *Member) tick(ctx context.Context) error {
	cancel := m.Fabric.OnLink(func(l peer.Link) {
		m.Twins.SetLink(l.Peer, l.Up)
		m.poke()
	})
	defer cancel()
	pace := time.NewTicker(time.Second)
	defer pace.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-m.pokes:
			m.learnNames(ctx)
			m.learnDatabase(ctx)
			m.changed()
		case <-pace.C:
			m.Twins.Tick()
			m.filled()
		}
	}
}
