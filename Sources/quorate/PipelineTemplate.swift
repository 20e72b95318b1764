import Foundation

/// What `quorate pipeline new` writes: the smallest pipeline that shows a source, an incremental
/// model, a procedure, a query and a certified table.
struct PipelineTemplate {
  let name: String

  /// Paths below the folder, with their text.
  var files: [(path: String, text: String)] {
    [
      ("pipeline.yaml", manifest), ("sources/entries.yaml", source),
      ("models/silver/_silver.yaml", silver), ("models/silver/slv_authors.sql", silverSQL),
      ("models/gold/_gold.yaml", gold), ("models/gold/authors.sql", goldSQL),
      ("queries/queries.yaml", queries), ("tests/entries.yaml", tests),
    ]
  }

  func write(to folder: URL) throws {
    let manager = FileManager.default
    let existing = (try? manager.contentsOfDirectory(atPath: folder.path)) ?? []
    guard existing.isEmpty else {
      throw Failure("\(folder.path) is not empty; name a folder that does not exist yet.")
    }
    for (path, text) in files {
      let file = folder.appending(path: path)
      try manager.createDirectory(
        at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
      try text.write(to: file, atomically: true, encoding: .utf8)
    }
  }

  private var manifest: String {
    """
    quorate: 1                         # format version
    name: \(name)
    version: 1.0.0
    description: Entries by authors, counted.
    engine: { sql: sqlite, rules: qsql-1 }
    layers: [bronze, silver, gold]     # a model reads its own layer or the one below
    budget: { steps_per_update: 5000000, rows_written_per_update: 20000 }

    """
  }

  private var source: String {
    """
    # The contract of what is sent: creates bronze_entries and quarantine_entries.
    source: entries
    description: One row an entry.
    format: [ndjson, csv]
    columns:
      - { name: entry_id, type: text, required: true, max_bytes: 64 }
      - { name: author,   type: text, required: true, max_bytes: 64 }
      - { name: at,       type: timestamp, required: true }
    primary_key: [entry_id]
    on_duplicate: reject_if_different
    expectations:
      - { name: author_named, check: "author <> ''", on_violation: quarantine }

    """
  }

  private var silver: String {
    """
    models:
      - name: slv_authors
        kind: incremental
        primary_key: [author]
        refresh: { by: [author] }      # only authors with new entries are computed again
        columns:
          - { name: author,   type: text }
          - { name: entries,  type: int }
          - { name: last_at,  type: timestamp }

    """
  }

  private var silverSQL: String {
    """
    select author, count(*) as entries, max(at) as last_at
    from {{ source('entries') }}
    group by author

    """
  }

  private var gold: String {
    """
    models:
      - name: authors
        kind: incremental
        primary_key: [author]
        refresh: { by: [author] }
        columns:
          - { name: author,  type: text }
          - { name: entries, type: int }
          - { name: last_at, type: timestamp }
        tests: [ { not_null: [entries] } ]
        certified: true                # rows of this table come with proofs

    """
  }

  private var goldSQL: String {
    """
    select author, entries, last_at from {{ ref('slv_authors') }}

    """
  }

  private var tests: String {
    """
    # What comes in, and what must then be there: quorate pipeline test
    unit_tests:
      - name: entries_are_counted_by_author
        given:
          - ingest: entries
            rows:
              - { entry_id: e1, author: ada, at: 2026-01-01T10:00:00Z }
              - { entry_id: e2, author: ada, at: 2026-01-02T10:00:00Z }
              - { entry_id: e3, author: "",  at: 2026-01-02T10:00:00Z }
          - replay: 1                  # step 1 again, byte for byte
        expect:
          authors: [ { author: ada, entries: 2, last_at: 2026-01-02T10:00:00Z } ]
          quarantine_entries: [ { entry_id: e3, _errors: author_named } ]
          receipts: [ { step: 1, accepted: 2, quarantined: 1 }, { step: 2, replayed: true } ]
          root_unchanged_by: [2]

    """
  }

  private var queries: String {
    """
    queries:
      - name: busiest
        args: { at_least: int }
        allow: [public]
        max_rows: 100
        returns: { author: text, entries: int }
        sql: >
          select author, entries from {{ ref('authors') }}
          where entries >= :at_least order by entries desc, author

    """
  }
}
