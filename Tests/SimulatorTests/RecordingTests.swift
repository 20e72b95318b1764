import Foundation
import FoundationXML
import Testing
import Wire

@testable import Simulator

/// Runs that break a rule, each kept once: what led to them is looked at from many sides.
private enum Stories {
  static let folder = URL(filePath: #filePath).deletingLastPathComponent()
    .appending(path: "../../Simulation").standardized.path

  static func broken(_ name: String) throws -> Scenario {
    try ScenarioFile.read("\(folder)/Scenarios/\(name).yaml").broken()
  }

  static let nullified = "nullified-never-finalizes"
}

@Suite struct `A recording` {
  @Test(arguments: [0, 3, 5])
  func `holds what the run counts, and changes nothing`(seed: UInt64) {
    let scenario = Scenario.random(seed: seed, replicas: 4, duration: .seconds(3))
    let (report, recording) = Simulation.record(scenario)
    #expect(report == Simulation.run(scenario))
    var counted = RunStatistics()
    for event in recording.events {
      switch event.act {
      case .arrived: counted.deliveries += 1
      case .lost: counted.lost += 1
      case .synced: counted.syncs += 1
      case .crashed: counted.crashes += 1
      case .faultBegan: counted.faults += 1
      default: break
      }
    }
    #expect(counted.deliveries == report.statistics.deliveries)
    #expect(counted.lost == report.statistics.lost)
    #expect(counted.syncs == report.statistics.syncs)
    #expect(counted.crashes == report.statistics.crashes)
    #expect(counted.faults == report.statistics.faults)
    #expect(counted.deliveries > 500)
  }

  @Test func `begins a turn with each call that a client sends, and blames it`() throws {
    let (report, recording) = Simulation.record(
      try ScenarioFile.read("\(Stories.folder)/Pictures/four-replicas.yaml"))
    let called = recording.events.count { $0.act == .called }
    #expect(report.statistics.callsSent > 0 && called >= report.statistics.callsSent)
    let explanation = try #require(
      Explanation(Simulation.record(try Stories.broken("execution-follows-the-journal")).recording))
    let blamed = explanation.lines.contains {
      $0.text.hasPrefix("r1 notarizes view 1") && $0.text.contains("(on a client's call)")
    }
    #expect(blamed, "\(explanation.lines.map(\.text))")
  }

  @Test func `holds the root that a replica tells, also when that is a lie`() throws {
    let recording = Simulation.record(try Stories.broken("wrong-state-falls-silent")).recording
    let liar = try #require(recording.lanes.firstIndex { $0.actor == "wrong-state" })
    var roots: [Bool: Set<DigestMark>] = [:]
    for event in recording.events {
      if case .executed(2, let root) = event.act {
        roots[event.lane == liar, default: []].insert(root)
      }
    }
    #expect(roots[false]?.count == 1 && roots[true]?.count == 1 && roots[true] != roots[false])
  }

  @Test func `names for each arrival its sending, earlier and about the same`() throws {
    let recording = Simulation.record(.random(seed: 1, replicas: 4)).recording
    for event in recording.events {
      guard case .arrived(let topic, let sender) = event.act else { continue }
      let sending = try #require(recording[event.cause])
      #expect(sending.time < event.time && sending.lane == sender)
      guard case .sent(let said, _) = sending.act else {
        Issue.record("\(recording.line(event)) was brought about by \(recording.line(sending))")
        return
      }
      #expect(said == topic)
    }
  }

  @Test func `is told a line an event, the same in every run`() throws {
    let scenario = try Stories.broken(Stories.nullified)
    let recording = Simulation.record(scenario).recording
    let lines = recording.trace.split(separator: "\n").filter { !$0.hasPrefix("#") }
    #expect(lines.count == recording.events.count)
    #expect(recording.trace == Simulation.record(scenario).recording.trace)
    let nullified = lines.contains { $0.contains(" r3 nullifies view 8") }
    #expect(nullified)
    let violation = lines.firstIndex { $0.contains("VIOLATES one-notarization: r3 finalizes") }
    // Behind it only what else that act violates.
    #expect(violation.map { lines[$0...].allSatisfy { $0.contains("VIOLATES") } } == true)
  }

  @Test func `keeps the latest when there is too much, and says so`() {
    var recording = small(lanes: 1, limit: 8)
    for view in 1...20 {
      recording.begin(.entered(View(UInt64(view)), leader: 0), 0)
    }
    #expect(recording.events.count <= 8 && recording.count == 20)
    #expect(recording[19]?.act == .entered(20, leader: 0))
    #expect(recording[0] == nil)
    #expect(recording.trace.contains("the first \(recording.dropped) events were not kept"))
  }
}

/// Lanes r0, r1, … without a world around them.
private func small(lanes: Int, limit: Int = 100) -> Recording {
  let committee = Committee(
    subnet: .zero, epoch: 0,
    keys: (0..<lanes).compactMap { PublicKey([UInt8](repeating: UInt8($0 + 1), count: 32)) })
  return Recording(
    Scenario(title: "By hand"), committee: committee,
    lanes: (0..<lanes).map {
      Recording.Lane(name: "r\($0)", id: ReplicaID(UInt16($0)), actor: nil)
    }, limit: limit)
}

@Suite struct `What happens before` {
  /// r0 sends to r1 while r2 is by itself; r1 sends to r2, which hears it late.
  private func story() -> (recording: Recording, clocks: HappensBefore) {
    var recording = small(lanes: 3)
    let topic = Topic(kind: .nullify, view: 1)
    recording.begin(.called, 0)  // 0
    recording.add(.sent(topic, to: nil), 0)  // 1
    recording.begin(.called, 2)  // 2
    recording.begin(.arrived(topic, from: 0), 1, cause: 1)  // 3
    recording.add(.sent(topic, to: 2), 1)  // 4
    recording.begin(.called, 0)  // 5
    recording.begin(.arrived(topic, from: 1), 2, cause: 4)  // 6
    recording.add(.faultBegan(0), Recording.world)  // 7
    return (recording, HappensBefore(recording))
  }

  @Test(arguments: [
    (0, 1, CausalOrder.before), (1, 0, .after), (1, 3, .before), (0, 6, .before),
    (2, 6, .before), (2, 3, .concurrent), (2, 0, .concurrent), (5, 6, .concurrent),
    (5, 3, .concurrent), (3, 3, .same), (7, 0, .concurrent),
  ])
  func `is the order of the lanes and of the messages`(
    first: Int, second: Int, order: CausalOrder
  ) {
    #expect(story().clocks.order(first, second) == order)
  }

  @Test(arguments: [(0, 0), (1, 1), (2, 0), (3, 2), (4, 3), (5, 2), (6, 5)])
  func `is counted`(event: Int, past: Int) {
    #expect(story().clocks.pastCount(of: event) == past)
  }
}

@Suite struct `An explanation` {
  @Test(arguments: [
    ("nullified-never-finalizes", ["r3 nullifies view 8", "r3 finalizes view 8"]),
    ("quorum-is-n-minus-f", ["2 of the 3 needed", "r0 notarizes view 1"]),
    ("durable-before-said", ["r1 notarizes view 1", "not durable, sent at"]),
    ("one-notarize-a-view", ["notarizes view"]),
    (
      "own-nullify-survives-restart", ["r3 crashes (disk: torn-tail), for good", "nullify view 27"]
    ),
    ("wrong-state-falls-silent", ["wrong-state"]),
  ])
  func `holds the acts that decided, in at most thirty lines`(
    file: String, acts: [String]
  ) throws {
    let scenario = try Stories.broken(file)
    let explanation = try #require(Explanation(Simulation.record(scenario).recording))
    let text = explanation.text(next: "quorate simulate replay \(file)")
    #expect(text.split(separator: "\n", omittingEmptySubsequences: false).count <= 30, "\(text)")
    for act in acts { #expect(text.contains(act), "\(act) is not in\n\(text)") }
    #expect(explanation.lines.last?.text.hasPrefix("VIOLATION") == true)
    let again = try #require(Explanation(Simulation.record(scenario).recording))
    #expect(again == explanation)
  }

  @Test func `leaves out what is not before the violation, and counts the rest`() throws {
    var recording = small(lanes: 3)
    let stand = RecordedEvent.Stand(kind: .notarize, view: 1, block: nil)
    let topic = Topic(kind: .notarize, view: 1)
    recording.begin(.called, 0)  // 0
    recording.add(.voted(stand), 0)  // 1
    recording.add(.sent(topic, to: nil), 0)  // 2
    recording.begin(.called, 2)  // 3: nobody hears of it before
    recording.add(.voted(stand), 2)
    recording.add(.sent(topic, to: 1), 2)
    recording.begin(.arrived(topic, from: 0), 1, cause: 2)
    let violation = Violation(
      check: .oneNotarization, time: 0, replica: 1, view: 1, text: "r1 takes it")
    recording.violated([violation])
    recording.begin(.arrived(topic, from: 2), 1, cause: 5)
    recording.add(.voted(stand), 1)
    recording.conclude(showing: violation, isTolerated: false)
    let explanation = try #require(Explanation(recording))
    #expect(explanation.lines.flatMap(\.events) == [1, 7])
    #expect(explanation.past == 4)
    #expect(explanation.text(next: "").contains("3 further events before it"))
  }

  @Test(arguments: ["quorum-is-n-minus-f", "split-states-halt-execution", "durable-before-said"])
  func `tells nothing later than the violation`(file: String) throws {
    let recording = Simulation.record(try Stories.broken(file)).recording
    let (explanation, flag) = (try #require(Explanation(recording)), try #require(recording.flag))
    let order = HappensBefore(recording)
    for line in explanation.lines.dropLast() {
      #expect(line.time <= flag.time, "\(line.text)")
      for event in line.events.compactMap({ recording[$0] }) where event.lane == flag.lane {
        #expect(order.order(event.id, flag.id) == .before, "\(line.text)")
      }
    }
  }

  @Test(arguments: [
    ("disks-of-f-are-lost", ["wipe: "]), ("lagging-replica-is-not-starved", ["isolate: r3"]),
    ("nullified-blocks-lose-no-calls", ["drop: { kind: notarize }", "× notarize lost, of r0 ("]),
    ("repair-tells-notarizations", ["fault 1, ", "fault 2, ", "fault 3, "]),
    ("fetches-are-rationed", ["r3 sends "]), ("future-votes-are-bounded", ["from r3"]),
    ("proposals-are-not-verified-each", ["× proposal from r2", "× proposal from r5"]),
  ])
  func `names faults and senders where no view is to blame`(file: String, causes: [String]) throws {
    let explanation = try #require(
      Explanation(Simulation.record(try Stories.broken(file)).recording))
    let text = explanation.text(next: "quorate simulate replay \(file)")
    for cause in causes { #expect(text.contains(cause), "\(cause) is not in\n\(text)") }
    #expect(text.split(separator: "\n", omittingEmptySubsequences: false).count <= 30)
  }

  @Test func `calls no crash one for good whose end the run did not see`() throws {
    let explanation = try #require(
      Explanation(Simulation.record(try Stories.broken("late-words-change-nothing")).recording))
    let crashes = explanation.lines.map(\.text).filter { $0.contains(" crashes (") }
    #expect(!crashes.isEmpty && crashes.allSatisfy { !$0.contains("for good") }, "\(crashes)")
  }

  @Test func `is there for what broke over the budget, though the run passed`() throws {
    let scenario = try ScenarioFile.read(
      "\(Stories.folder)/Scenarios/five-of-thirteen-collude.yaml")
    let (report, recording) = Simulation.record(scenario)
    #expect(report.passed && report == Simulation.run(scenario))
    let explanation = try #require(Explanation(recording))
    #expect(explanation.verdict.hasPrefix("BROKEN, as it may be over the budget: agreement: "))
    let shown = try #require(report.shown)
    #expect(explanation.lines.allSatisfy { $0.time <= shown.time })
    let page = DiagramPage(recording, report).text
    #expect(page.contains("id=\"violation\"") && page.contains("<a href=\"#violation\">"))
    #expect(page.contains("class=\"verdict pass\">PASS"))
  }

  @Test func `is not there when nothing went wrong`() throws {
    let scenario = try ScenarioFile.read("\(Stories.folder)/Pictures/four-replicas.yaml")
    #expect(Explanation(Simulation.record(scenario).recording) == nil)
  }
}

@Suite struct `A diagram` {
  @Test func `flags the violation and numbers the acts that decided`() throws {
    let (report, recording) = Simulation.record(try Stories.broken(Stories.nullified))
    let page = DiagramPage(recording, report).text
    let explanation = try #require(Explanation(recording))
    #expect(page.contains("id=\"violation\""))
    #expect(page.contains("class=\"fault-name\">fault 1: isolate: r3<"))
    #expect(page.contains("class=\"crash\""))
    for line in explanation.lines where line.text.hasPrefix("r3 finalizes") {
      for event in line.events { #expect(page.contains("id=\"e\(event)\"")) }
    }
    #expect(page.contains("class=\"m proposal rest\""))
    #expect(page.contains("class=\"m proposal\""))
    let again = Simulation.record(try Stories.broken(Stories.nullified))
    #expect(DiagramPage(again.recording, again.report).text == page)
  }

  @Test func `loads nothing from elsewhere`() throws {
    let (report, recording) = Simulation.record(.random(seed: 2, replicas: 4))
    let page = DiagramPage(recording, report).text
      .replacing("http://www.w3.org/2000/svg", with: "")
    for word in ["http:", "https:", "src=", "@import", "url(", "<link"] {
      #expect(!page.contains(word), "\(word)")
    }
  }

  @Test func `escapes every text`() throws {
    var scenario = try ScenarioFile.read("\(Stories.folder)/Pictures/four-replicas.yaml")
    scenario.title = "<script>alert(1)</script> & \"quotes\""
    scenario.story = "</title><img src=x onerror='alert(2)'>"
    let (report, recording) = Simulation.record(scenario)
    let page = DiagramPage(recording, report).text
    #expect(!page.contains("<script>alert") && !page.contains("<img"))
    #expect(page.contains("&lt;script&gt;alert(1)&lt;/script&gt; &amp; &quot;quotes&quot;"))
    #expect(Diagram(recording, .still).svg.contains("&lt;script&gt;"))
    #expect(quotedForScript("</script>\n\"") == "\"\\u003c/script\\u003e\\u000a\\\"\"")
  }

  @Test(arguments: ["0 crashes", "1 crash", "2 crashes"])
  func `says how many crashes there were`(words: String) throws {
    let count = try #require(words.first?.wholeNumberValue)
    var scenario = Scenario(title: "Crashes")
    scenario.cluster.duration = .seconds(3)
    scenario.faults = (0..<count).map { number in
      Fault(
        at: .time(.milliseconds(UInt64(500 + 500 * number))),
        .crash(.replicas([1]), .tornTail, effects: 0), .span(.milliseconds(100)))
    }
    let (report, recording) = Simulation.record(scenario)
    #expect(DiagramPage(recording, report).text.contains(" · \(words)</p>"))
  }

  @Test func `stays within its bound, with everything in ink first`() throws {
    let recording = Simulation.record(try Stories.broken("timers-stay-capped")).recording
    let diagram = Diagram(recording, .page)
    // Each event may bring the one that caused it.
    #expect(diagram.shown.count <= 2 * Diagram.eventsMax)
    #expect(!diagram.shown.isEmpty)
  }

  @Test(arguments: ["four-replicas", "thirteen-replicas"])
  func `of a quiet run shows blocks become final`(name: String) throws {
    let scenario = try ScenarioFile.read("\(Stories.folder)/Pictures/\(name).yaml")
    let (report, recording) = Simulation.record(scenario)
    #expect(report.passed, "\(report.verdict)")
    let picture = Diagram(recording, .still).svg
    for height in 1...3 { #expect(picture.contains("class=\"height\">h \(height)<")) }
    #expect(!picture.contains("id=\"violation\"") && !picture.contains("rest\""))
    #expect(picture.utf8.count < 600_000)
    #expect(XMLParser(data: Data(picture.utf8)).parse())
  }

  @Test func `shortens long waits and keeps the order of time`() {
    let scale = TimeScale(
      [0, 1_000, 1_000_000, 1_001_000], pixelsPerMillisecond: 10, gapMax: 50, top: 5)
    #expect(scale.y(0) == 5 && scale.y(1_000) == 15)
    #expect(scale.y(1_000_000) == 65 && scale.bottom == 75)
    #expect(scale.y(500_500) == 40)
    #expect(scale.gaps.map(\.from) == [1_000])
  }
}
