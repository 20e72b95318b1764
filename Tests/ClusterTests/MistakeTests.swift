import Testing

/// A mistake that people make, and what its answer must say: what to do next.
struct Mistake: Sendable, CustomTestStringConvertible {
  let testDescription: String
  /// How it comes about.
  var before = "true"
  let command: String
  var status: Int32 = 1
  let says: [String]
  /// What the answer says to do, which then works.
  var after = "true"
}

extension NewUser {
  func makes(_ mistake: Mistake) throws {
    let before = try run(mistake.before)
    try #require(before.status == 0, "\(mistake): \(before)")
    let ended = try run(mistake.command)
    #expect(ended.status == mistake.status, "\(mistake): \(ended)")
    for words in mistake.says {
      #expect((ended.output + ended.errors).contains(words), "\(mistake): \(ended)")
    }
    let after = try run(mistake.after)
    #expect(after.status == 0, "\(mistake): \(after)")
  }
}

extension Mistake {
  private static let lint = "quorate pipeline lint my-pipeline"

  /// Replaces text of a file of the pipeline.
  private static func edit(_ file: String, _ old: String, _ new: String) -> String {
    "sed -i 's/\(old)/\(new)/' my-pipeline/\(file)"
  }

  /// Those that show without a cluster, of a pipeline that was just made.
  static let early = [
    Mistake(
      testDescription: "a misspelt key",
      before: edit("sources/entries.yaml", "^on_duplicate:", "on_duplicates:"), command: lint,
      says: [
        "sources/entries.yaml:10:1: error: unknown key on_duplicates in a source",
        "did you mean on_duplicate?",
      ], after: edit("sources/entries.yaml", "^on_duplicates:", "on_duplicate:") + " && \(lint)"),
    Mistake(
      testDescription: "a tie under LIMIT",
      before: edit("queries/queries.yaml", "entries desc, author", "entries desc limit 3"),
      command: lint,
      says: [
        "queries/queries.yaml:8:86: error QD05: LIMIT without a total order",
        "two rows may tie on entries", "fix: order by entries desc, author limit 3",
      ],
      after: edit("queries/queries.yaml", "entries desc limit 3", "entries desc, author limit 3")
        + " && \(lint)"),
    Mistake(
      testDescription: "a misspelt column",
      before: edit("queries/queries.yaml", "author, entries", "author, entris"), command: lint,
      says: [
        "queries/queries.yaml:8:16: error SQL05: there is no column `entris`", "fix: entries",
      ],
      after: edit("queries/queries.yaml", "entris", "entries") + " && \(lint)"),
    Mistake(
      testDescription: "a test that expects what is not there",
      before: edit("tests/entries.yaml", "entries: 2, last_at", "entries: 3, last_at"),
      command: "quorate pipeline test my-pipeline",
      says: [
        "tests/entries.yaml:12:18", "expected 3, found 2",
        "2 tests, 1 failed; '-' is what was expected, '+' what was found",
      ]),
    Mistake(
      testDescription: "a plan before there is a cluster",
      command: "quorate pipeline plan my-pipeline",
      says: ["Make a cluster with 'quorate cluster init'", "--cluster DIR"]),
    Mistake(
      testDescription: "a verification without a subnet", command: "quorate verify row.quorate",
      says: ["There is no network.json in ", "Say --network FILE"]),
    Mistake(
      testDescription: "a table without its braces",
      before: edit("models/gold/authors.sql", "{{ .* }}", "slv_authors"), command: lint,
      says: [
        "models/gold/authors.sql:1:38: error SQL05: the table `slv_authors` is named without",
        "fix: {{ ref('slv_authors') }}",
      ]),
    Mistake(
      testDescription: "a misspelt command", command: "quorate pipeline lnt my-pipeline",
      status: 64,
      says: ["did you mean 'quorate pipeline lint'?"], after: lint),
    Mistake(
      testDescription: "a folder that is taken", command: "quorate pipeline new my-pipeline",
      says: ["is not empty; name a folder that does not exist yet"],
      after: "quorate pipeline new another"),
  ]

  /// Those of somebody who has a cluster with `my_pipeline` and one row in it, in this order.
  static let late = [
    Mistake(
      testDescription: "a wrong header",
      before: "printf 'id,author,at\\ne2,ada,2026-01-01T10:00:00Z\\n' > wrong.csv",
      command: "quorate ingest my_pipeline entries wrong.csv",
      says: [
        "entries expects the header entry_id,author,at",
        "Nothing of wrong.csv was taken: correct it and send it again.",
      ], after: "sed -i 1s/id/entry_id/ wrong.csv && quorate ingest my_pipeline entries wrong.csv"),
    Mistake(
      testDescription: "a delimiter that is not the contract's",
      before: "printf 'entry_id;author;at\\ne3;ada;2026-01-01T10:00:00Z\\n' > semicolons.csv",
      command: "quorate ingest my_pipeline entries semicolons.csv",
      says: [
        "the contract says \",\"", "write csv: { delimiter: \";\" } into the YAML of entries",
        "[CSV_HEADER]",
      ]),
    Mistake(
      testDescription: "a stranger's SQL",
      before: "quorate identity new guest",
      command: "quorate query my_pipeline --sql 'select no from such' --as guest",
      says: [
        "[NOT_ALLOWED]", "my_pipeline has no role that allows it, so its owner may alone",
        "quorate pipeline grant my_pipeline NAME ",
      ]),
    Mistake(
      testDescription: "a query without its name", command: "quorate query my_pipeline", status: 0,
      says: [
        "busiest(at_least: int)  for public",
        "Ask one: quorate query my_pipeline busiest --arg at_least=VALUE",
      ], after: "quorate query my_pipeline busiest --arg at_least=1"),
    Mistake(
      testDescription: "an unknown query",
      command: "quorate query my_pipeline busyest --arg at_least=1",
      says: ["it has busiest; did you mean busiest?"]),
    Mistake(
      testDescription: "a table's name for a query's", command: "quorate query my_pipeline authors",
      says: ["it has busiest. ", "authors is a table: --sql 'select * from authors'"],
      after: "quorate query my_pipeline --sql 'select * from authors'"),
    Mistake(
      testDescription: "a missing argument", command: "quorate query my_pipeline busiest",
      says: [
        "at_least: missing; it takes at_least int",
        "Next: quorate query my_pipeline busiest --arg at_least=VALUE",
      ]),
    Mistake(
      testDescription: "a misspelt argument",
      command: "quorate query my_pipeline busiest --arg atleast=1",
      says: ["it takes at_least: int; did you mean at_least?\n"]),
    Mistake(
      testDescription: "not enough cycles",
      before: "quorate identity new poor && cp -r my-pipeline other && "
        + "sed -i 's/^name: .*/name: other/' other/pipeline.yaml",
      command: "quorate pipeline deploy other --as poor",
      says: ["[INSUFFICIENT_CYCLES]", "quorate cycles transfer poor 156G --as operator"],
      after: "quorate cycles transfer poor 156G --as operator && "
        + "quorate pipeline deploy other --as poor"),
    Mistake(
      testDescription: "a frozen pipeline",
      command: "quorate ingest other entries entries.csv --as poor",
      says: ["other is frozen", "Queries go on", ": quorate cycles top-up other "],
      after: "quorate cycles top-up other 5T && "
        + "quorate ingest other entries entries.csv --as poor"),
    Mistake(
      testDescription: "a model that a plan drops silently",
      before: "cp -r my-pipeline smaller && rm smaller/models/gold/* smaller/tests/* && "
        + "sed -i 's/authors/slv_authors/' smaller/queries/queries.yaml",
      command: "quorate pipeline plan smaller",
      says: [
        "would drop authors", "say drops: [authors] in pipeline.yaml",
        "Or let it go this once: --drop authors",
      ], after: "quorate pipeline plan smaller --drop authors"),
    Mistake(
      testDescription: "a model that a deploy drops silently",
      command: "quorate pipeline deploy smaller",
      says: ["would drop authors", "Or let it go this once: --drop authors"],
      after: "quorate pipeline deploy smaller --drop authors"),
  ]
}

@Suite(.serialized, .enabled(if: Program.url != nil, "the program was not built"))
struct `A mistake on the way` {
  @Test(.timeLimit(.minutes(4)), arguments: Mistake.early)
  func `is answered with what to do next`(mistake: Mistake) throws {
    let user = try NewUser()
    let made = try user.run("quorate pipeline new my-pipeline")
    try #require(made.status == 0, "\(made)")
    try user.makes(mistake)
  }
}
