import Certification
import Foundation
import NodeShell
import Signing
import Testing
import Wire

@testable import quorate

/// A folder that goes when the test ends.
private final class Folder {
  let url = FileManager.default.temporaryDirectory.appending(path: "files-\(UUID().uuidString)")

  init() throws {
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(at: url) }

  func path(_ name: String) -> String { url.appending(path: name).path }

  func write(_ text: String, to name: String, mode: Int = 0o644) throws {
    try Data(text.utf8).write(to: url.appending(path: name))
    try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path(name))
  }

  func text(_ name: String) throws -> String {
    try String(contentsOf: url.appending(path: name), encoding: .utf8)
  }

  func mode(of name: String) throws -> Int {
    let attributes = try FileManager.default.attributesOfItem(atPath: path(name))
    return try #require(attributes[.posixPermissions] as? NSNumber).intValue
  }
}

@Suite struct `A file that a command writes` {
  private static let begun: [(OutputKind, String)] = [
    (.junit, "<?xml version=\"1.0\"?>\n<testsuites tests=\"0\">"),
    (.drawing, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"1\"/>"),
    (.page, "<!doctype html>\n"), (.trace, "# A run\n# id, seconds, replica, what happened\n"),
    (.scenario, "quorate: 1\ntitle: Good\ncluster: { replicas: 1, duration: 100ms }\n"),
  ]

  @Test(arguments: begun)
  func `takes the place of one of its kind, of an empty one and of none`(
    kind: OutputKind, own: String
  ) throws {
    let folder = try Folder()
    try folder.write(own, to: "own")
    try folder.write("", to: "empty")
    for name in ["own", "empty", "none"] {
      try kind.write(Array("new".utf8), to: folder.path(name))
      #expect(try folder.text(name) == "new")
    }
    try folder.write("quorate: 1\nname: my_pipeline\n", to: "other")
    #expect { try kind.write([], to: folder.path("other")) } throws: {
      "\($0)".contains("other is there already and is no \(kind.rawValue)")
    }
    #expect(try folder.text("other").hasSuffix("my_pipeline\n"))
    for (name, why) in [("no/such", "there is no folder"), ("", "it is no file")] {
      #expect { try kind.check(folder.path(name)) } throws: { "\($0)".contains(why) }
    }
    // What is no file at all holds nothing.
    try kind.write([1], to: "/dev/null")
  }

  @Test func `with an answer is for its owner alone`() throws {
    let folder = try Folder()
    let answer = SavedAnswer.answers(
      QueryRequest(
        subnet: .zero, pipeline: "shop", question: .sql("select 1"), arguments: [], height: nil,
        trust: .replica, caller: nil, expiry: 0), [])
    try OutputKind.savedAnswer.write(answer.file, to: folder.path("answer"))
    #expect(try folder.mode(of: "answer") == 0o600)
    try FileManager.default.setAttributes(
      [.posixPermissions: 0o644], ofItemAtPath: folder.path("answer"))
    try OutputKind.savedAnswer.write(answer.file, to: folder.path("answer"))
    #expect(try folder.mode(of: "answer") == 0o600)
    try folder.write("mine", to: "other")
    #expect(throws: Failure.self) {
      try OutputKind.savedAnswer.write(answer.file, to: folder.path("other"))
    }
    #expect(try folder.text("other") == "mine")
  }

  @Test func `is looked at before a run of the simulator`() throws {
    let folder = try Folder()
    try folder.write("mine", to: "mine.html")
    #expect(throws: (any Error).self) {
      try SimulateRun.parse(["--html", folder.path("mine.html")])
    }
    _ = try SimulateRun.parse(["--html", folder.path("none.html")])
  }

  @Test func `with a feed takes another's place only by force`() async throws {
    let folder = try Folder()
    let words = [folder.url.path, "--rows", "30"]
    try await FeedCommand.parse(words).run()
    let names = try FileManager.default.contentsOfDirectory(atPath: folder.url.path).sorted()
    let first = try #require(names.first)
    let text = try folder.text(first)
    try await FeedCommand.parse(words).run()
    try folder.write("mine", to: first)
    let again = try FeedCommand.parse(words)
    await #expect { try await again.run() } throws: { "\($0)".contains("--force") }
    #expect(try folder.text(first) == "mine")
    try await FeedCommand.parse(words + ["--force"]).run()
    #expect(try folder.text(first) == text)
  }

  @Test(arguments: [nil, 0o644])
  func `with a replica's log only grows, for its owner alone`(before: Int?) throws {
    let folder = try Folder()
    if let before { try folder.write("old ", to: ReplicaFolder.logName, mode: before) }
    let log = try ReplicaProcess(folder: folder.url).openLog()
    try log.write(contentsOf: Data("new".utf8))
    try log.close()
    #expect(try folder.text(ReplicaFolder.logName) == (before == nil ? "new" : "old new"))
    #expect(try folder.mode(of: ReplicaFolder.logName) == 0o600)
  }
}

@Suite struct `An identity's key` {
  @Test func `that others can read is refused with the command that mends it`() throws {
    let folder = try Folder()
    let store = IdentityStore(folder: folder.url.appending(path: "identities"))
    let pair = try store.create("alice")
    #expect(try store.keyPair(of: "alice").publicKey == pair.publicKey)
    #expect(try folder.mode(of: "identities/alice.key") == 0o600)
    try FileManager.default.setAttributes(
      [.posixPermissions: 0o640], ofItemAtPath: store.file(of: "alice").path)
    #expect { try store.keyPair(of: "alice") } throws: {
      "\($0)".contains("mode 640") && "\($0)".contains("chmod 600")
    }
  }

  @Test func `is made once`() throws {
    let folder = try Folder()
    let store = IdentityStore(folder: folder.url)
    let pair = try store.create("alice")
    #expect(throws: Failure.self) { try store.create("alice") }
    #expect(try store.keyPair(of: "alice").publicKey == pair.publicKey)
  }
}

@Suite struct `The end of a cluster` {
  @Test func `tells what is left in its folder, and why`() throws {
    let folder = try Folder()
    let names = (1...7).map { "file \($0)" }
    let words = ClusterCommand.Down.wiped(folder.url, names)
    #expect(words.contains("The folder stays, with what no command put there: file 1, "))
    #expect(words.hasSuffix("file 5 and 2 more."))
    #expect(ClusterCommand.Down.wiped(folder.url, []).contains("empty and cannot be removed"))
    let gone = folder.url.appending(path: "gone")
    #expect(ClusterCommand.Down.wiped(gone, []) == "\(gone.path) is removed.")
  }
}
