package prooftest

// endless looks for a state from which moves of progress alone need not come
// to an end: a circle of them. That none of them comes to rest too early was
// seen when it was expanded. So without such a state every fair run, in which
// the adversary rests at last, ends every execution (I3): whatever is still
// to happen happens in any order, and after finitely many moves all is over.
//
// It takes away, again and again, the states whose moves of progress all lead
// to states that were taken away. What remains leads to a circle.
func (s *search) endless() (node, bool) {
	var total, most int
	for _, p := range s.parts {
		total += p.count
		most = max(most, p.count)
	}
	first := make([]uint32, most*shards+1) // where the predecessors of a node begin
	for _, p := range s.parts {
		for _, piece := range p.progress {
			for _, e := range piece {
				first[e[1]+1]++
			}
		}
	}
	for i := 1; i < len(first); i++ {
		first[i] += first[i-1]
	}
	before := make([]node, first[len(first)-1])
	next := append([]uint32(nil), first...)
	for _, p := range s.parts {
		for _, piece := range p.progress {
			for _, e := range piece {
				before[next[e[1]]] = e[0]
				next[e[1]]++
			}
		}
	}
	var gone []node
	for i, p := range s.parts {
		for local, n := range p.leads {
			if n == 0 {
				gone = append(gone, nodeOf(local, i))
			}
		}
	}
	for k := 0; k < len(gone); k++ {
		n := gone[k]
		for _, b := range before[first[n]:first[n+1]] {
			leads := &s.parts[b.part()].leads[b.local()]
			if *leads--; *leads == 0 {
				gone = append(gone, b)
			}
		}
	}
	if len(gone) == total {
		return 0, false
	}
	for i, p := range s.parts {
		for local, n := range p.leads {
			if n > 0 {
				return nodeOf(local, i), true
			}
		}
	}
	return 0, false
}

// edges are from one state to another, in pieces: to copy hundreds of millions
// as they become more costs more time than to find them.
type edges [][][2]node

func (e *edges) add(from, to node) {
	if n := len(*e); n == 0 || len((*e)[n-1]) == cap((*e)[n-1]) {
		*e = append(*e, make([][2]node, 0, 1<<16))
	}
	last := &(*e)[len(*e)-1]
	*last = append(*last, [2]node{from, to})
}
