import Foundation
import Pipelines
import Testing
import Wire

/// The folders of `deploy/pipelines`, wherever the tests run from.
enum Folders {
  static let root = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent()

  static func pipeline(_ name: String) -> String {
    root.appending(path: "deploy/pipelines/\(name)").path
  }

  /// The Berka files, which are not in the repository.
  static var berka: URL? {
    let place =
      ProcessInfo.processInfo.environment["QUORATE_BERKA"].map { URL(filePath: $0) }
      ?? root.appending(path: "../shared/data/berka")
    return FileManager.default.fileExists(atPath: place.appending(path: "trans.asc").path)
      ? place : nil
  }
}

/// A package of one source, as files in memory.
enum Sample {
  static let manifest = "quorate: 1\nname: sample\nversion: 1.0.0\n"
  static let source = """
    source: orders
    columns:
      - { name: id, type: text, required: true }
      - { name: at, type: date }
    primary_key: [id]

    """

  static func files(_ texts: [(String, String)]) -> PackageFiles {
    PackageFiles(texts.map { PackageFiles.File(path: $0.0, bytes: Array($0.1.utf8)) })
  }

  /// What is wrong with the files, one text a mistake; empty when they are sound.
  static func faults(_ texts: [(String, String)]) -> [String] {
    do {
      _ = try PackageReader.readUnchecked(files(texts))
      return []
    } catch {
      return error.list.map(\.description)
    }
  }

  static func faults(source: String) -> [String] {
    faults([("pipeline.yaml", manifest), ("sources/s.yaml", source)])
  }
}

@Suite struct `A package's folder` {
  @Test(arguments: [
    "bank-reconciliation", "berka", "delivery-tracking", "feature-store", "master-data",
  ])
  func `of the examples is read, and its canonical bytes are the same package`(name: String) throws
  {
    let files = try PackageFiles(directory: Folders.pipeline(name))
    let (package, _) = try PackageReader.readUnchecked(files)
    #expect(package.name == name.replacing("-", with: "_"))
    let bytes = package.canonicalBytes
    #expect(try Package(canonicalBytes: bytes) == package)
    #expect(bytes.count < Limits.callBodyBytesMax)
    for cut in stride(from: 0, to: bytes.count, by: max(1, bytes.count / 200)) {
      #expect(throws: Malformed.self) { try Package(canonicalBytes: Array(bytes[..<cut])) }
    }
  }

  @Test func `gives the contract, the models and the calls that it spells`() throws {
    let files = try PackageFiles(directory: Folders.pipeline("bank-reconciliation"))
    let (package, _) = try PackageReader.readUnchecked(files)
    let source = try #require(package.source("financial_transactions"))
    #expect(source.columns.map(\.name).prefix(3) == ["transaction_id", "bank_id", "side"])
    #expect(source.column("amount")?.type == .decimal(precision: 18, scale: 2))
    #expect(source.column("customer_id")?.pii == .pseudonym)
    #expect(source.eventTime?.lateness == 3 * 86_400_000)
    #expect(source.expectations.map(\.onViolation) == [.quarantine, .quarantine, .warn, .fail])
    let fact = try #require(package.model("fct_transaction_audit"))
    #expect(fact.certified)
    #expect(fact.refresh?.map.map(\.upstream) == ["slv_audit", "slv_lifecycle"])
    #expect(fact.tests.contains(.references(column: "bank_id", model: "dim_bank")))
    #expect(package.procedure("advance_stage")?.allow == [.role("operations")])
    #expect(package.query("top_3_transactions")?.allow == [])
    #expect(package.vars.first { $0.name == "date_tolerance_days" }?.value == .integer(3))
    #expect(package.seed(of: "dim_lifecycle_stage")?.file == "seeds/lifecycle_stage.csv")
  }

  @Test func `is the same package whatever the order of its files and entries`() throws {
    let second =
      "- "
      + Sample.source.replacing("orders", with: "returns").split(separator: "\n")
      .joined(separator: "\n  ")
    let one = try PackageReader.readUnchecked(
      Sample.files([
        ("pipeline.yaml", Sample.manifest), ("sources/a.yaml", Sample.source),
        ("sources/b.yaml", second),
      ])
    ).0
    let other = try PackageReader.readUnchecked(
      Sample.files([
        ("sources/z.yaml", Sample.source), ("sources/b.yaml", second),
        ("pipeline.yaml", "version: 1.0.0\nname: sample\nquorate: 1\n"),
      ])
    ).0
    #expect(one.canonicalBytes == other.canonicalBytes)
    #expect(one.sources.map(\.name) == ["orders", "returns"])
  }

  @Test func `says what callers may burn a day, in cycles with a unit`() throws {
    let budget = "budget: { caller_budget: 20G, public_budget: 1_500k }\n"
    let package = try PackageReader.readUnchecked(
      Sample.files([
        ("pipeline.yaml", Sample.manifest + budget), ("sources/s.yaml", Sample.source),
      ])
    ).0
    #expect(package.budget.callerDaily == 20_000_000_000)
    #expect(package.budget.publicDaily == 1_500_000)
    #expect(
      Sample.faults([
        ("pipeline.yaml", Sample.manifest + "budget: { public_budget: 5 TB }\n"),
        ("sources/s.yaml", Sample.source),
      ]) == [
        "pipeline.yaml:4:26: error: public_budget: is a number of cycles such as 5T, 200G, 20M, "
          + "7k or 1000, not 5 TB"
      ])
  }

  @Test func `tells all its mistakes in one go, by file and line`() {
    let faults = Sample.faults([
      ("pipeline.yaml", "quorate: 1\nname: Sample\nversion: 1.0.0\nbudgett: {}\n"),
      (
        "sources/s.yaml",
        "source: orders\nprimary_key: [id]\ncolumns:\n  - { name: id, type: txt }\n"
      ),
      ("models/gold/x.sql", "select 1"),
    ])
    #expect(
      faults == [
        "models/gold/x.sql: error: no model, procedure or query reads this file\n"
          + "  fix: declare it in a .yaml file beside it, or remove it",
        "pipeline.yaml:2:7: error: \"Sample\" is no name: 1 to 48 lower-case letters, digits and "
          + "_, a letter first",
        "pipeline.yaml:4:1: error: unknown key budgett in the manifest; did you mean budget?",
        "sources/s.yaml:4:23: error: txt is no type; types are text, int, decimal(p,s), date, "
          + "timestamp, bool, uuid, bytes or json, at most 18 digits; did you mean text?\n"
          + "  fix: type: text",
      ])
  }

  @Test(arguments: [
    ("source: orders\nsource: again\n", "sources/s.yaml:1:1: error: the key source stands twice"),
    ("a: &x 1\n", "sources/s.yaml:1:4: error: anchors and aliases are not part of the subset"),
    ("a: &x [1]\nb: *x\n", "anchors and aliases are not part of the subset"),
    ("a: !!str 1\n", "sources/s.yaml:1:4: error: tags are not part"),
    ("!!str a: 1\n", "sources/s.yaml:1:1: error: tags are not part"),
    ("a: !custom {}\n", "tags are not part of the subset"),
    ("<<: { a: 1 }\n", "merge keys are not part of the subset"),
    ("a: [1\n", "error: no YAML:"),
    ("a: 1\n---\nb: 2\n", "error: no YAML:"),
    ("# nothing\n", "the file holds nothing"),
    ("[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]", "nested deeper than 16"),
  ])
  func `is refused outside of the strict subset of YAML`(text: String, message: String) {
    #expect(Sample.faults(source: Sample.source) == [])
    #expect(Sample.faults(source: text).contains { $0.contains(message) })
  }

  @Test func `never takes a quoted text for a flag or a number, nor a plain NO for a flag`() {
    let quoted = Sample.source.replacing("required: true", with: "required: \"true\"")
    #expect(
      Sample.faults(source: quoted) == [
        "sources/s.yaml:3:39: error: required: is true or false; a quoted value is a text\n"
          + "  fix: remove the quotes"
      ])
    let listed = Sample.source.replacing(
      "required: true", with: "accepted_values: [NO, yes, 1.0, \"\"]")
    let package = try? PackageReader.readUnchecked(
      Sample.files([("pipeline.yaml", Sample.manifest), ("sources/s.yaml", listed)])
    ).0
    #expect(package?.sources[0].columns[0].acceptedValues == ["NO", "yes", "1.0", ""])
  }

  @Test(arguments: [
    ("primary_key: [id]", "primary_key: id", "primary_key: is a list, not a single value"),
    ("primary_key: [id]", "", "a source lacks primary_key:"),
    ("type: date", "type: \"decimal(19,2)\"", "decimal(19,2) is no type"),
    ("name: at", "name: _at", "\"_at\" is no name"),
    ("type: date", "type: date, parse: ddmmyy", "parse: is one of standard, yymmdd"),
    ("type: date", "typ: date", "unknown key typ in a column; did you mean type?"),
    (
      "primary_key: [id]", "primary_key: [id]\nevent_time: { column: at, lateness: 3 }",
      "lateness: is a duration such as 3d, 12h, 15m, 30s or 250ms, not 3"
    ),
    (
      "primary_key: [id]", "primary_key: [id]\nallow: [everyone]",
      "allow: holds public, role:NAME or key:HEX (64 digits), not everyone"
    ),
    (
      "primary_key: [id]", "primary_key: [id]\non_duplicate: ignored",
      "on_duplicate: is one of ignore, reject_if_different, upsert_if_newer, not ignored; "
        + "did you mean ignore?"
    ),
    (
      "primary_key: [id]", "primary_key: [id]\ncsv: { delimiter: \"ab\" }",
      "delimiter: is one ASCII character"
    ),
  ])
  func `names the mistake of a contract`(part: String, by: String, message: String) {
    let faults = Sample.faults(source: Sample.source.replacing(part, with: by))
    #expect(faults.contains { $0.contains(message) }, "\(faults)")
    #expect(faults.allSatisfy { $0.hasPrefix("sources/s.yaml:") })
  }

  @Test func `names a missing folder, manifest, SQL file and seed`() {
    #expect(throws: PackageFaults.self) { try PackageFiles(directory: "/nowhere/at/all") }
    #expect(
      Sample.faults([]) == [
        "pipeline.yaml: error: the manifest is missing; a package has one at its top"
      ])
    let faults = Sample.faults([
      ("pipeline.yaml", Sample.manifest),
      (
        "models/gold/_gold.yaml",
        """
        models:
          - { name: a, kind: view }
          - { name: b, kind: seed, file: seeds/stagee.csv }
        """
      ), ("seeds/stage.csv", "x\n1\n"),
    ])
    #expect(
      faults.contains { $0.contains("a model has no sql: and there is no models/gold/a.sql") })
    #expect(
      faults.contains {
        $0.contains(
          "there is no file seeds/stagee.csv in the package; did you mean seeds/stage.csv?")
      })
    #expect(faults.contains { $0.contains("no model of kind seed reads this file") })
  }

  @Test func `holds the files of its tests to their form`() {
    let good = "unit_tests:\n  - { name: a, given: [ { ingest: orders, rows: [] } ], expect: {} }\n"
    let files = [("pipeline.yaml", Sample.manifest), ("tests/t.yaml", good)]
    #expect(Sample.faults(files) == [])
    let faults = Sample.faults(files.map { ($0.0, $0.1.replacing("ingest", with: "ingst")) })
    #expect(
      faults == [
        "tests/t.yaml:2:27: error: unknown key ingst in a step; did you mean ingest?"
      ])
  }
}
