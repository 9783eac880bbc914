package pipeline

import "strings"

// Nearest returns the candidate a writer of word most likely meant, or "" when
// none is near. It decides nothing; it only makes the Fix of a problem useful.
func Nearest(word string, candidates []string) string {
	if len(word) > 100 { // no name of ours is near
		return ""
	}
	best, least := "", 1+len(word)/3
	word = strings.ToLower(word)
	for _, c := range candidates {
		lower := strings.ToLower(c)
		if lower == word {
			return c
		}
		d := distance(word, lower)
		if len(word) > 3 && strings.HasPrefix(lower, word) {
			d = min(d, 1) // Branch for BranchName
		}
		if d <= least && (best == "" || d < least) {
			best, least = c, d
		}
	}
	return best
}

// distance counts the insertions, deletions and replacements between a and b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
