import Certification
import Foundation
import Pipelines
import Signing
import Testing
import Wire

@testable import QuorateClient
@testable import quorate

/// A file that goes when the test ends.
private final class TemporaryFile {
  let path: String

  init(_ text: String) throws {
    let url = FileManager.default.temporaryDirectory.appending(path: "\(UUID().uuidString).csv")
    path = url.path
    try Data(text.utf8).write(to: url)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  /// Its batches of two rows, sent or passed over.
  func rows(_ known: [Int: String] = [:], hasHeader: Bool = true) async throws -> RowStream {
    let stream = try RowStream(
      path: path, format: .csv, hasHeader: hasHeader, rowsMax: 2, skipping: known
    ) { number, bytes in
      Intention(
        pipeline: "shop", method: .ingest(source: "orders", format: .csv), body: bytes,
        key: "\(number)")
    }
    for try await _ in stream {}
    return stream
  }
}

@Suite struct `The rows of a file` {
  @Test(arguments: ["", "id,amount\n", "id,amount", "\u{FEFF}amount;id\r\n", "z1,12\n"])
  func `that holds none are missed`(text: String) async throws {
    let file = try TemporaryFile(text)
    let rows = try await file.rows()
    #expect(rows.isEmpty)
    let words = rows.emptiness(columns: ["id", "amount"], source: "orders")
    #expect(words.hasPrefix("\(file.path) holds no rows: nothing was sent."))
    #expect(words.contains("expects a header of id,amount") == (text == "z1,12\n"), "\(words)")
  }

  @Test func `without a header are all sent`() async throws {
    let file = try TemporaryFile("z1,12\n")
    let rows = try await file.rows(hasHeader: false)
    #expect(!rows.isEmpty)
    #expect(rows.sent(0).place == BatchPlace(headerLines: 0, firstLine: 1, firstRow: 1))
  }

  @Test func `have their places in the file, whatever lines their fields hold`() async throws {
    let file = try TemporaryFile("\"id\n2\",amount\na,\"1\n1\"\nb,2\nc,3\nd,4\ne,5")
    let rows = try await file.rows()
    #expect(rows.sent(1).place == BatchPlace(headerLines: 2, firstLine: 6, firstRow: 3))
    #expect(rows.sent(2).place == BatchPlace(headerLines: 2, firstLine: 8, firstRow: 5))
  }

  @Test(arguments: [
    ("line 502, row 501: 7 fields", "line 2502, row 2501: 7 fields"),
    ("line 502: a NUL byte", "line 2502: a NUL byte"), ("line 1: no", "line 1: no"),
    ("no column reads x", "no column reads x"),
  ])
  func `that are refused are told of by their place in the file`(said: String, told: String) {
    let place = BatchPlace(headerLines: 1, firstLine: 2_002, firstRow: 2_001)
    #expect(place.ofFile(said) == told)
  }

  @Test func `that were acknowledged are passed over only while they are the same`() async throws {
    let first = try await TemporaryFile("id\na\nb\nc\n").rows()
    let known = [0: first.sent(0).digest, 1: first.sent(1).digest]
    #expect(try await TemporaryFile("id\na\nb\nc\n").rows(known).skipped == 2)
    let changed = try await TemporaryFile("id\na\nb\nd\n").rows(known)
    #expect(changed.skipped == 1)
    #expect(changed.sent(0).number == 1)
    #expect(Acknowledged.read("0 aa\n\n1 bb\n2 c") == [0: "aa", 1: "bb"])
  }

  @Test func `that a torn file of progress tells of are those that were acknowledged`() {
    let digests = (0..<5).map { String(repeating: "a\($0)", count: 4) }
    let text = digests.enumerated().map { "\($0.offset) \($0.element)\n" }.joined()
    for length in 0...text.utf8.count {
      // The run that goes on begins a line of its own behind what was torn.
      let torn = String(text.prefix(length))
      for file in [torn, torn + "\n", torn + "\n\(digests.count) \(digests[0])\n"] {
        for (number, digest) in Acknowledged.read(file) where number < digests.count {
          #expect(digest == digests[number] || digest.count < digests[number].count, "\(length)")
        }
      }
      let whole = torn.split(separator: "\n", omittingEmptySubsequences: false).count - 1
      #expect(Acknowledged.read(torn).count == whole, "\(length)")
    }
  }

  @Test func `of a folder are none`() {
    #expect { try RowStream.check(FileManager.default.temporaryDirectory.path) } throws: {
      "\($0)".contains("is a folder; name a file")
    }
  }
}

@Suite struct `A table on a terminal` {
  private let rows = [["1", String(repeating: "e", count: 60), "entries"]]
  private let header = ["_row", "_errors", "source"]

  @Test func `is cut to its width, the widest column first`() {
    let lines = Terminal.table(header, rows, width: 40).split(separator: "\n")
    #expect(lines.allSatisfy { $0.count <= 40 }, "\(lines)")
    #expect(lines.last?.hasSuffix("e…  entries") == true, "\(lines)")
    #expect(Terminal.fitted([4, 12, 12], to: 5) == [4, 10, 10])
  }

  @Test func `is whole where there is none, or room`() {
    #expect(!Terminal.table(header, rows, width: nil).contains("…"))
    #expect(!Terminal.table(header, rows, width: 100).contains("…"))
  }
}

@Suite struct `What people type` {
  @Test func `may end with a semicolon, and with one alone`() {
    #expect(QueryCommand.statement("select 1 as a; \n") == "select 1 as a")
    #expect(QueryCommand.statement("select 1 as a;;") == "select 1 as a;")
    #expect(QueryCommand.statement("select ';' as a") == "select ';' as a")
  }

  @Test func `is read more easily in groups of digits`() {
    #expect(
      PlanReport.readable("caller_budget 200000000000 → 1000000000, v1234567 at 12345")
        == "caller_budget 200,000,000,000 → 1,000,000,000, v1234567 at 12345")
  }

  @Test func `is told again where Ctrl-C broke it off`() throws {
    let command = try IngestCommand.parse(["shop", "orders", "big.csv", "--batch", "50"])
    let words = command.interruption(rows: 100, batches: 2, prefix: "orders-1")
    #expect(words.hasPrefix("Interrupted: 100 rows in 2 batches acknowledged; "))
    #expect(
      words.hasSuffix(
        "Go on with: quorate ingest shop orders big.csv --key orders-1 --resume --batch 50"))
  }
}

@Suite struct `A procedure's call` {
  private let refund = CatalogEntry(
    name: "refund", about: "", allow: [],
    fields: [.init(name: "order_id", type: "text"), .init(name: "amount", type: "int")])

  @Test func `is not sent with arguments that the procedure does not take`() throws {
    try SubmitCommand.check(["order_id=a", "amount=1"], against: refund)
    #expect {
      try SubmitCommand.check(["order=a", "amount=1"], against: refund)
    } throws: {
      "\($0)".contains("refund has no argument 'order'; it takes order_id: text, amount: int")
    }
    #expect {
      try SubmitCommand.check(["order_id=a"], against: refund)
    } throws: {
      "\($0)".contains("refund also takes amount: int. Nothing was sent; add --arg amount=VALUE")
    }
  }
}

@Suite struct `An ingest that broke off` {
  private func words(
    _ code: String, _ why: String, _ more: [String] = [], hasAcknowledged: Bool = true
  ) throws -> String {
    let command = try IngestCommand.parse(["shop", "orders", "big.csv"] + more)
    let failure = ClientFailure(.refused, code, what: "refused", why: why, next: "")
    return command.brokenOff(
      failure, "\(failure)",
      place: BatchPlace(headerLines: 1, firstLine: 2_002, firstRow: 2_001), prefix: "orders-1",
      hasAcknowledged: hasAcknowledged)
  }

  @Test func `names the file's line, and the command for the corrected file`() throws {
    let text = try words("CSV_COLUMNS", "line 502, row 501: 7 fields", ["--batch", "2000"])
    #expect(text.contains("big.csv, line 2502, row 2501: 7 fields [CSV_COLUMNS]"))
    #expect(text.contains("Correct big.csv, then: quorate ingest shop orders big.csv --key "))
    #expect(text.contains("--key orders-1 --resume --batch 2000"))
    let none = try words("CSV_COLUMNS", "line 2: 7 fields", hasAcknowledged: false)
    #expect(!none.contains("--resume"))
  }

  @Test func `names the file's line of a row that does not meet what is expected`() throws {
    let file = try TemporaryFile("id,amount\na,\"1\n1\"\nb,2\nc,3\nd,-4\n")
    let command = try IngestCommand.parse(["shop", "orders", file.path, "--batch", "2"])
    func words(_ why: String, _ code: String = "EXPECTATION_FAILED") -> String {
      let failure = ClientFailure(.refused, code, what: "refused", why: why, next: "")
      return command.brokenOff(
        failure, "\(failure)", place: BatchPlace(headerLines: 1, firstLine: 5, firstRow: 3),
        prefix: "orders-1", hasAcknowledged: true)
    }
    let row = words("row 2 does not meet positive: amount > 0")
    #expect(row.contains("\(file.path), line 6, row 4 does not meet positive: amount > 0 [EXP"))
    #expect(row.contains("Correct \(file.path), then: quorate ingest shop orders"))
    let batch = words("the batch does not meet few: quarantined_ppm < 10")
    #expect(batch.contains("line 5, row 3 and those after it: the batch does not meet few"))
    #expect(words("row 1 lies below the watermark", "LATE").contains("line 5, row 3 lies below"))
    #expect(words("row 9 lies below", "LATE").contains("\(file.path), row 11 lies below"))
  }

  @Test func `goes on as it is where the file is not at fault`() throws {
    #expect(try words("UNDECIDED", "no").contains("go on with: quorate ingest shop orders"))
    #expect(try words("IDEMPOTENCY_CONFLICT", "no").contains("under a new --key"))
    #expect(try words("CSV_HEADER", "no", ["--no-header"]).contains("csv: { header: false }"))
  }

  @Test func `takes no number of rows below one`() {
    #expect { try IngestCommand.parse(["shop", "orders", "a.csv", "--batch", "-5"]) } throws: {
      IngestCommand.message(for: $0).contains("1 to 100,000")
    }
  }

  @Test func `counts rows that had been sent before as nothing new`() {
    var tally = IngestTally()
    var rows = RowTally()
    rows.accepted = 5
    let note = Note(name: "known", count: 1, firstRow: 1, message: "status in ('a')")
    let receipt = Receipt(
      call: .zero, height: 9, position: 0, time: 1, pipeline: "shop", status: .applied,
      replayOf: Receipt.Replay(call: .zero, height: 3), tally: rows, notes: [note],
      usage: Usage(), charged: 7)
    tally.add(receipt, rows: 5)
    let text = tally.text(pipeline: "shop", source: "orders")
    #expect(!text.contains("accepted"), "\(text)")
    #expect(text.contains("5 rows in 1 batch, certified"))
    #expect(text.contains("1 batch had been sent before and changed nothing"))
    #expect(text.contains("known, 1 row: status in ('a')"))
  }
}

@Suite struct `What an update waits for` {
  @Test func `is told with the command that brings it back`() {
    let some = Awaited(up: 2, quorum: 3, down: [2, 3])
    #expect(
      some.text == "2 of 4 replicas are up, 3 are needed. Start the others: "
        + "quorate cluster start r2 r3")
    let none = Awaited(up: 0, quorum: 3, down: [0, 1, 2, 3], option: " --cluster x")
    #expect(none.text.hasSuffix("Start them: quorate cluster up --detach --cluster x"))
    let paused = Awaited(up: 2, quorum: 3, down: [2], silent: [3])
    #expect(paused.text.hasSuffix("Start the others: quorate cluster start r2"))
    #expect(paused.text.contains("without an answer: r3 (if paused: quorate cluster resume r3)"))
    let away = Awaited(up: 2, quorum: 3, silent: [2, 3], isLocal: false)
    #expect(away.text.contains("on machines of their own"))
    #expect(Awaited(up: 3, quorum: 3, down: [3]).text.contains("cluster why"))
  }
}

@Suite struct `The next step` {
  @Test func `after too few cycles is a transfer that suffices`() throws {
    let words = Advice.after(
      "INSUFFICIENT_CYCLES",
      "a deploy with this step limit may cost 155575819964 cycles and the balance is 0",
      signer: "alice")
    #expect(words?.contains("quorate cycles transfer alice 156G --as operator") == true)
    let wanting = "raise the call's step limit"
    #expect(Advice.after("STEP_LIMIT", wanting, signer: "a") == "More steps: --steps NUMBER")
    #expect(Advice.after("STEP_LIMIT", "than a query may", signer: "a") == nil)
    let drop = Advice.after(
      "DROP_REFUSED", "the upgrade would drop a, b.c and what is in there: keep it", signer: "")
    #expect(drop == "Or let it go this once: --drop a --drop b.c")
    #expect(Advice.after("OTHER", "", signer: "") == nil)
  }

  @Test(arguments: [
    (["pipelin", "lint"], "did you mean 'quorate pipeline'?"),
    (["lint", "x"], "did you mean 'quorate pipeline lint'?"),
    (["pipeline", "create"], "It has: new, lint"),
    (["cycles", "top-upp"], "did you mean 'quorate cycles top-up'?"),
  ])
  func `after a wrong command is the one that was meant`(words: [String], says: String) {
    let hint = Suggestion.text(for: words, of: Quorate.self)
    #expect(hint?.contains(says) == true, "\(hint ?? "")")
  }

  @Test(arguments: ["top", "sop", "dwn", "kil"])
  func `after a wrong command is none that ends replicas`(word: String) {
    let hint = Suggestion.text(for: ["cluster", word], of: Quorate.self)
    #expect(hint?.contains("did you mean") == false, "\(hint ?? "")")
  }

  @Test(arguments: [
    ["ingest", "shop", "orders"], ["--help"], ["help", "x"], [], ["pipeline"],
    ["pipeline", "lint", "x"],
  ])
  func `after a known command is none`(words: [String]) {
    #expect(Suggestion.text(for: words, of: Quorate.self) == nil)
  }

  @Test func `of a deploy that the signer cannot pay is a transfer`() {
    let words = DeployCost.refusal(most: 156_000_000_000, balance: 0, signer: "alice")
    #expect(words?.contains("quorate cycles transfer alice 156G") == true)
    #expect(DeployCost.refusal(most: 5, balance: 5, signer: "alice") == nil)
  }

  @Test func `of replicas that are so already is none`() {
    #expect(Outcome.text("Started", [0], already: [0], "running") == "r0 was running already.")
    #expect(
      Outcome.text("Killed", [0, 1, 2], already: [1, 2], "down")
        == "Killed r0. r1, r2 were down already.")
  }

  @Test func `of a simulated run repeats what made it`() throws {
    let run = try SimulateRun.parse(["--replicas", "4", "--for", "20s", "--faults", "3"])
    #expect(
      run.command(Seed(number: 1)) == "quorate simulate run --seed 0x1 --replicas 4 --for 20s "
        + "--faults 3 --save failing.yaml")
  }
}

@Suite struct `The words of a command` {
  @Test func `for trust are those that it takes`() throws {
    func help(_ text: String) -> String {
      text.split { $0 == " " || $0 == "\n" }.joined(separator: " ")
    }
    let query = help(QueryCommand.helpMessage())
    #expect(query.contains("(values: replica, quorum, certified; default:"), "\(query)")
    let plan = help(PipelineCommand.Plan.helpMessage())
    #expect(plan.contains("(values: replica, quorum;"), "\(plan)")
    #expect(try QueryCommand.parse(["shop", "q", "--trust", "quorum"]).trust == .quorum)
    #expect { try QueryCommand.parse(["shop", "q", "--trust", "1"]) } throws: {
      QueryCommand.message(for: $0).contains("'certified'")
    }
  }

  @Test func `take a query's name or a SELECT, not both`() {
    #expect { try QueryCommand.parse(["shop", "q", "--sql", "select 1"]) } throws: {
      QueryCommand.message(for: $0).contains("not both")
    }
  }

  @Test func `leave a SELECT's arguments as they are written`() {
    #expect(QueryCommand.plain("50") == .int(50) && QueryCommand.plain("-1") == .int(-1))
    for text in ["007", "+5", "10.50", "2026-11-22", "", "-0"] {
      #expect(QueryCommand.plain(text) == .text(text))
    }
  }

  @Test func `name a query's arguments when one is wrong`() {
    let query = CatalogEntry(
      name: "busiest", about: "", allow: [], fields: [CatalogField(name: "at_least", type: "int")])
    #expect(throws: Never.self) { try QueryCommand.check(["at_least=1"], against: query) }
    #expect { try QueryCommand.check(["least=1"], against: query) } throws: {
      "\($0)".contains("it takes at_least: int")
    }
  }

  @Test func `list the queries of a pipeline where none is named`() throws {
    let least = CatalogField(name: "at_least", type: "int")
    let shop = CatalogPipeline(
      name: "shop", version: "1", about: "", owner: KeyPair.generate().publicKey, package: .zero,
      balance: 0, freezesBelow: 0, condition: .running, sources: [], procedures: [],
      queries: [
        CatalogEntry(
          name: "busiest", about: "Who wrote most.", allow: ["public"],
          fields: [least, CatalogField(name: "at", type: "date")]),
        CatalogEntry(name: "whole", about: "", allow: [], fields: []),
      ], tables: [])
    let text = QueryList.text(of: shop)
    #expect(text.contains("busiest(at_least: int, at: date)  for public  Who wrote most.\n"))
    #expect(text.contains("whole()  for owner\n"))
    #expect(text.hasSuffix("quorate query shop busiest --arg at_least=VALUE --arg at=VALUE"))
    #expect(try QueryCommand.parse(["shop"]).name == nil)
    #expect { try QueryCommand.parse(["shop", "--arg", "a=1"]) } throws: {
      QueryCommand.message(for: $0).contains("Name a query of the pipeline")
    }
  }

  @Test func `on what is held back end with the next step`() throws {
    typealias List = PipelineCommand.Quarantine.ListCommand
    let all = try List.parse(["shop"])
    let names = ["source", "held_back"]
    let none = all.text(names, [["orders", "0"]])
    #expect(none.contains("Nothing is held back. ") && none.contains("quorate pipeline show shop"))
    #expect(
      all.text(names, [["drivers", "0"], ["orders", "3"]])
        .hasSuffix("quorate pipeline quarantine list shop orders"))
    let one = try List.parse(["shop", "orders", "--limit", "1"])
    #expect(
      one.text(["_row"], []) == "orders holds nothing back. With rows that were released: --all")
    let rows = one.text(["_row"], [["1"]])
    #expect(rows.contains("The first 1; more with --limit."))
    #expect(rows.hasSuffix("quorate pipeline quarantine release shop orders"))
  }

  @Test func `that verifies call for the public keys, not for a cluster`() async throws {
    let verify = try VerifyCommand.parse(["row.quorate", "--cluster", "/nowhere"])
    await #expect { try await verify.run() } throws: {
      "\($0)".contains("Say --network FILE") && !"\($0)".contains("cluster init")
    }
  }

  @Test(arguments: [(1, "1 row"), (0, "0 rows"), (1_000, "1,000 rows")])
  func `count as people do`(count: Int, words: String) {
    #expect(counted(count, "row") == words)
    #expect(counted(2, "batch", "batches") == "2 batches")
  }

  @Test(arguments: [("My-Shop", "my_shop"), ("7up", "up"), ("---", nil)])
  func `propose a sound name`(given: String, sound: String?) {
    #expect(PipelineCommand.New.sound(given) == sound)
  }

  @Test func `draft contracts of CSV alone`() async throws {
    let infer = try PipelineCommand.Infer.parse(["rows.ndjson"])
    await #expect { try await infer.run() } throws: { "\($0)".contains("from CSV only") }
  }

  @Test func `name the cluster's folder alike everywhere`() throws {
    #expect(try ClusterCommand.Up.parse(["--cluster", "x"]).location.directory == "x")
    #expect(try ClusterCommand.Down.parse(["--cluster", "x"]).location.directory == "x")
  }

  @Test func `list the scenarios that can be read beside those that cannot`() throws {
    let good = try TemporaryFile("quorate: 1\ntitle: Good\ncluster: { replicas: 4 }\n")
    let bad = try TemporaryFile("title: [")
    let (entries, flaws) = SimulateList.scenarios([bad.path, good.path])
    #expect(entries.map(\.meaning) == ["Good"])
    #expect(flaws.count == 1)
  }
}

@Suite struct `A simulate command` {
  /// What it says, and the status with which it ends.
  private func refusal(_ words: [String]) -> (words: String, status: Int32)? {
    do {
      _ = try SimulateCommand.parseAsRoot(words)
      return nil
    } catch {
      return (SimulateCommand.message(for: error), SimulateCommand.exitCode(for: error).rawValue)
    }
  }

  @Test(arguments: [
    (["run", "--replicas", "41"], "--replicas is 1 to 40"),
    (["fuzz", "--runs", "1", "--replicas", "41"], "--replicas is 1 to 40"),
    (["twins", "--all", "--replicas", "41"], "--replicas is 4 to 40"),
    (["run", "--for", "1001h"], "--for is at most 1000h"),
    (["replay", "a.yaml", "--for", "1001h"], "--for is at most 1000h"),
    (["fuzz", "--runs", "9223372036854775807"], "--runs is 1 to"),
    (["fuzz", "--runs", "0"], "--runs is 1 to"),
    (["fuzz", "--hours", "nan"], "--hours is above 0"),
    (["fuzz", "--hours", "inf"], "--hours is above 0"),
    (["twins", "--sample", "9223372036854775807"], "--sample is 1 to"),
    (["run", "--seed", "0x10000000000000000"], "--seed"),
    (["run", "--html", "/no/such/folder/run.html"], "there is no folder /no/such/folder/"),
    (["replay", "a.yaml", "--svg", "/no/such/folder/run.svg"], "there is no folder"),
    (["run", "--save", "/no/such/folder/run.yaml"], "there is no folder"),
    (["shrink", "a.yaml", "--out", "/no/such/folder/run.yaml"], "there is no folder"),
    (["run", "--seeds", "1..9", "--json"], "goes with one --seed"),
    (["fuzz", "--runs", "1", "--out", "/dev/null/a/b"], "/dev/null is no folder to write in"),
    (["fuzz", "--runs", "1", "--out", "/dev/null"], "/dev/null is no folder to write in"),
    (["fuzz", "--runs", "1", "--out", ""], "--out names no folder"),
    (["twins", "--all", "--out", "/dev/null/a"], "/dev/null is no folder to write in"),
  ])
  func `takes nothing that it cannot run with`(words: [String], says: String) throws {
    let refusal = try #require(self.refusal(words))
    #expect(refusal.words.contains(says), "\(refusal.words)")
    #expect(refusal.status == 64)
  }

  @Test func `takes what its files take`() {
    #expect(refusal(["run", "--replicas", "40", "--for", "1000h", "--html", "run.html"]) == nil)
    #expect(refusal(["twins", "--all", "--replicas", "40"]) == nil)
    let folder = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
    #expect(refusal(["fuzz", "--runs", "1", "--out", folder.appending(path: "a/b").path]) == nil)
    #expect(!FileManager.default.fileExists(atPath: folder.path))
  }

  @Test func `that cannot begin ends with the status of wrong usage, not of a violation`()
    async throws
  {
    let gallery = try SimulateGallery.parse(["--directory", "/no/such/folder"])
    await #expect { try await gallery.run() } throws: {
      SimulateGallery.exitCode(for: $0).rawValue == 64
    }
    let list = try SimulateList.parse(["scenarios", "--directory", "/no/such/folder"])
    await #expect { try await list.run() } throws: {
      SimulateList.exitCode(for: $0).rawValue == 64
    }
    let good = try TemporaryFile(
      "quorate: 1\ntitle: Good\ncluster: { replicas: 1, duration: 100ms }\n")
    let shrink = try SimulateShrink.parse([good.path])
    await #expect { try await shrink.run() } throws: {
      SimulateShrink.exitCode(for: $0).rawValue == 64
    }
    let folder = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: false)
    #expect(refusal(["replay", good.path, "--trace", folder.path])?.status == 64)
    let trace = folder.appending(path: "run.txt").path
    let replay = try SimulateReplay.parse([good.path, "--trace", trace])
    try FileManager.default.removeItem(at: folder)
    await #expect { try await replay.run() } throws: {
      SimulateReplay.exitCode(for: $0).rawValue == 64
    }
  }
}

@Suite struct `An account and what may go, as a command tells them` {
  private let shop = CatalogPipeline(
    name: "shop", version: "1", about: "", owner: KeyPair.generate().publicKey, package: .zero,
    balance: 10, freezesBelow: 20, condition: .frozen,
    sources: [
      CatalogEntry(
        name: "orders", about: "", allow: [], fields: [CatalogField(name: "id", type: "text")])
    ], procedures: [], queries: [],
    tables: [
      CatalogTable(
        name: "bronze_orders", layer: "bronze", isCertified: false,
        columns: [CatalogField(name: "_captured", type: "json")], key: []),
      CatalogTable(name: "products", layer: "gold", isCertified: false, columns: [], key: []),
    ])

  @Test func `advise a top-up only below the reserve`() {
    #expect(CyclesCommand.standing(shop).contains("quorate cycles top-up shop 5T"))
    var rich = shop
    rich.balance = 5_000_000_000_000
    #expect(
      CyclesCommand.standing(rich) == "its account holds 5.00 T cycles; updates freeze below 20")
  }

  @Test func `warn of a top-up that is mostly its fee`() {
    #expect(CyclesCommand.TopUp.warning(1_000_000, fee: 100_000_000) != nil)
    #expect(CyclesCommand.TopUp.warning(5_000_000_000_000, fee: 100_000_000) == nil)
  }

  @Test(arguments: [
    ("product", "did you mean products?"), ("orders.idd", "did you mean orders.id?"),
    ("bronze_orders", "no such model"),
  ])
  func `refuse to drop what is not there`(name: String, says: String) {
    #expect { try PackageFolder.check([name], against: shop, of: "shop") } throws: {
      "\($0)".contains(says)
    }
    #expect(throws: Never.self) {
      try PackageFolder.check(
        ["products", "orders.id", "orders._captured"], against: shop, of: "shop")
    }
    #expect { try PackageFolder.check([name], against: nil, of: "shop") } throws: {
      "\($0)".contains("nothing to drop")
    }
  }

  @Test(arguments: ["entries", "entries.at", "authors", "authors.last_at"])
  func `refuse to drop what the package still has`(name: String) throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "kept-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: folder) }
    try PipelineTemplate(name: "kept").write(to: folder)
    #expect { try PackageFolder.read(folder.path, dropping: [name]) } throws: {
      "\($0)".contains("--drop \(name): the package in \(folder.path) still has it.")
    }
    let dropping = try PackageFolder.read(folder.path, dropping: ["authors.first_at"])
    #expect(dropping.drops == ["authors.first_at"])
  }

  @Test func `count metrics among the parts of a package`() {
    let metric = Metric(name: "m", sql: SQLScript("select 1 as n", file: "m.yaml"))
    let package = Package(name: "shop", version: "1", metrics: [metric])
    #expect(
      PackageFolder.summary(package)
        == "0 sources, 0 models, 0 procedures, 0 queries, 1 metric")
  }
}
