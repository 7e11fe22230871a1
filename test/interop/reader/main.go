// Reads a log over HTTP with Go's own transparency-log packages and believes nothing that it was not shown:
//
//	reader -url URL -origin ORIGIN -vkey KEY [-vkey KEY ...] [-signatures N] [-old FILE ...]
//
// It knows C2SP signed notes, checkpoints and tlog-tiles, and nothing of who made the log. It prints what it checked, and ends
// with 1 and one line on standard error that says what it refuses.
package main

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const (
	tileHeight  = 8
	tileWidth   = 1 << tileHeight
	noteMax     = 1_000_000
	bundleMax   = tileWidth * (2 + 65_535)
	readTimeout = 10 * time.Second
)

type words []string

func (w *words) String() string        { return strings.Join(*w, " ") }
func (w *words) Set(word string) error { *w = append(*w, word); return nil }

func main() {
	var vkeys, old words
	url := flag.String("url", "", "prefix of the log")
	origin := flag.String("origin", "", "first line of its checkpoints")
	signatures := flag.Int("signatures", 1, "how many of the keys must have signed the newest checkpoint")
	flag.Var(&vkeys, "vkey", "verifier key that is trusted")
	flag.Var(&old, "old", "file with an earlier checkpoint, signed by at least one of the keys")
	flag.Parse()
	if err := audit(*url, *origin, vkeys, *signatures, old); err != nil {
		fmt.Fprintf(os.Stderr, "refused: %v\n", err)
		os.Exit(1)
	}
}

func audit(url, origin string, vkeys []string, signatures int, old []string) error {
	verifiers := make([]note.Verifier, len(vkeys))
	for i, vkey := range vkeys {
		verifier, err := note.NewVerifier(vkey)
		if err != nil {
			return fmt.Errorf("key %d: %w", i, err)
		}
		verifiers[i] = verifier
	}
	known := note.VerifierList(verifiers...)
	log := &logTiles{url: strings.TrimSuffix(url, "/"), checked: map[tlog.Tile][]byte{}}

	signed, err := log.fetch("checkpoint", noteMax)
	if err != nil {
		return err
	}
	tree, signers, err := openCheckpoint(signed, origin, known)
	if err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	if signers < signatures {
		return fmt.Errorf("checkpoint: %d of the keys signed it, %d are asked for", signers, signatures)
	}
	fmt.Printf("checkpoint  %d entries, signed by %d of %d keys\n", tree.N, signers, len(vkeys))

	hashes := tlog.TileHashReader(tree, log)
	rebuilt, err := log.checkEntries(tree, hashes)
	if err != nil {
		return err
	}
	fmt.Printf("inclusion   all %d entries proven under the root, from bundles and tiles\n", tree.N)
	root, err := tlog.TreeHash(tree.N, rebuilt)
	if err != nil || root != tree.Hash {
		return fmt.Errorf("entries: the tree built from them has another root (%v)", err)
	}
	fmt.Printf("root        the same, built from the entries alone\n")

	for size := int64(1); size <= tree.N; size++ {
		before, err := tlog.TreeHash(size, rebuilt)
		if err != nil {
			return err
		}
		if err := checkGrowth(tree, tlog.Tree{N: size, Hash: before}, hashes); err != nil {
			return err
		}
	}
	fmt.Printf("consistency all %d sizes proven to be beginnings of it\n", tree.N)
	for _, path := range old {
		file, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		earlier, _, err := openCheckpoint(file, origin, known)
		if err != nil {
			return fmt.Errorf("earlier checkpoint: %w", err)
		}
		if err := checkGrowth(tree, earlier, hashes); err != nil {
			return err
		}
		fmt.Printf("consistency with the signed checkpoint of %d entries\n", earlier.N)
	}
	return log.checkTiles(tree, rebuilt)
}

// checkTiles compares every tile of the tree with what the entries make. A proof made from a wrong tile fails above, but not
// every tile is part of one, and the TileHashReader of golang.org/x/mod v0.7.0 does not look at all that it reads: where
// several of the tree's subtrees share one tile it begins to compare too late in its list.
func (log *logTiles) checkTiles(tree tlog.Tree, rebuilt tlog.HashReader) error {
	tiles := tlog.NewTiles(tileHeight, 0, tree.N)
	partial := 0
	for _, tile := range tiles {
		served, err := log.fetch(pathOf(tile), tileWidth*tlog.HashSize)
		if err != nil {
			return err
		}
		made, err := tlog.ReadTileData(tile, rebuilt)
		if err != nil {
			return err
		}
		if !bytes.Equal(served, made) {
			return fmt.Errorf("%s is not what the entries make", pathOf(tile))
		}
		if tile.W < tileWidth {
			partial++
		}
	}
	fmt.Printf("tiles       all %d are what the entries make, %d of them partial\n", len(tiles), partial)
	return nil
}

// openCheckpoint gives the head in a note, and how many of the known keys signed it.
func openCheckpoint(signed []byte, origin string, known note.Verifiers) (tlog.Tree, int, error) {
	opened, err := note.Open(signed, known)
	if err != nil {
		return tlog.Tree{}, 0, err
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[3] != "" {
		return tlog.Tree{}, 0, fmt.Errorf("its text has not three lines")
	}
	if lines[0] != origin {
		return tlog.Tree{}, 0, fmt.Errorf("it is of %q", lines[0])
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || size < 0 || strconv.FormatInt(size, 10) != lines[1] {
		return tlog.Tree{}, 0, fmt.Errorf("its size is %q", lines[1])
	}
	root, err := base64.StdEncoding.Strict().DecodeString(lines[2])
	if err != nil || len(root) != tlog.HashSize {
		return tlog.Tree{}, 0, fmt.Errorf("its root is %q", lines[2])
	}
	tree := tlog.Tree{N: size}
	copy(tree.Hash[:], root)
	return tree, len(opened.Sigs), nil
}

func checkGrowth(tree, earlier tlog.Tree, hashes tlog.HashReader) error {
	proof, err := tlog.ProveTree(tree.N, earlier.N, hashes)
	if err != nil {
		return fmt.Errorf("consistency from %d: %w", earlier.N, err)
	}
	if err := tlog.CheckTree(proof, tree.N, tree.Hash, earlier.N, earlier.Hash); err != nil {
		return fmt.Errorf("consistency from %d: %w", earlier.N, err)
	}
	return nil
}

// logTiles reads tiles and entries. What tlog says is authenticated is not read again for the next proof.
type logTiles struct {
	url     string
	checked map[tlog.Tile][]byte
}

func (log *logTiles) Height() int { return tileHeight }

func (log *logTiles) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	data := make([][]byte, len(tiles))
	for i, tile := range tiles {
		if known, ok := log.checked[tile]; ok {
			data[i] = known
			continue
		}
		hashes, err := log.fetch(pathOf(tile), tileWidth*tlog.HashSize)
		if err != nil {
			return nil, err
		}
		data[i] = hashes
	}
	return data, nil
}

func (log *logTiles) SaveTiles(tiles []tlog.Tile, data [][]byte) {
	for i, tile := range tiles {
		log.checked[tile] = data[i]
	}
}

// pathOf is C2SP's path of a tile: sumdb's names the height, which there is always 8, and calls entries data.
func pathOf(tile tlog.Tile) string {
	path := strings.TrimPrefix(tile.Path(), fmt.Sprintf("tile/%d/", tileHeight))
	return "tile/" + strings.Replace(path, "data/", "entries/", 1)
}

// checkEntries proves each entry's inclusion, and returns the hashes of the tree that the entries make by themselves.
func (log *logTiles) checkEntries(tree tlog.Tree, hashes tlog.HashReader) (tlog.HashReader, error) {
	var stored []tlog.Hash
	rebuilt := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		found := make([]tlog.Hash, len(indexes))
		for i, index := range indexes {
			found[i] = stored[index]
		}
		return found, nil
	})
	for start := int64(0); start < tree.N; start += tileWidth {
		width := tree.N - start
		if width > tileWidth {
			width = tileWidth
		}
		path := pathOf(tlog.Tile{H: tileHeight, L: -1, N: start / tileWidth, W: int(width)})
		bundle, err := log.fetch(path, bundleMax)
		if err != nil {
			return nil, err
		}
		entries, err := splitBundle(bundle, int(width))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		for i, entry := range entries {
			index := start + int64(i)
			proof, err := tlog.ProveRecord(tree.N, index, hashes)
			if err != nil {
				return nil, fmt.Errorf("proof of entry %d: %w", index, err)
			}
			if err := tlog.CheckRecord(proof, tree.N, tree.Hash, index, tlog.RecordHash(entry)); err != nil {
				return nil, fmt.Errorf("entry %d: %w", index, err)
			}
			added, err := tlog.StoredHashes(index, entry, rebuilt)
			if err != nil {
				return nil, err
			}
			stored = append(stored, added...)
		}
	}
	return rebuilt, nil
}

func splitBundle(bundle []byte, width int) ([][]byte, error) {
	entries := make([][]byte, width)
	for i := range entries {
		if len(bundle) < 2 || len(bundle)-2 < int(binary.BigEndian.Uint16(bundle)) {
			return nil, fmt.Errorf("it ends inside entry %d", i)
		}
		end := 2 + int(binary.BigEndian.Uint16(bundle))
		entries[i], bundle = bundle[2:end], bundle[end:]
	}
	if len(bundle) > 0 {
		return nil, fmt.Errorf("it goes on after %d entries", width)
	}
	return entries, nil
}

func (log *logTiles) fetch(path string, max int64) ([]byte, error) {
	client := http.Client{Timeout: readTimeout}
	response, err := client.Get(log.url + "/" + path)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", path, response.Status)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, max+1))
	if err != nil {
		return nil, err
	}
	if int64(len(body)) > max {
		return nil, fmt.Errorf("%s is larger than anything a log serves", path)
	}
	return body, nil
}
