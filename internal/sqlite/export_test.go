package sqlite

// Queued returns how many writes wait for their turn.
func (db *DB) Queued() int {
	db.mu.Lock()
	defer db.mu.Unlock()
	return len(db.queue)
}
