import Testing
import Wire

@testable import Simulator

@Suite struct `An agenda` {
  @Test func `gives events by time, and those of one moment in the order they were planned`() {
    var agenda = Agenda<Int>()
    var chance = RandomStream(seed: 3, label: "agenda")
    var planned: [(time: UInt64, value: Int)] = []
    for value in 0..<2_000 {
      let time = chance.below(UInt64(50))
      planned.append((time, value))
      agenda.plan(value, at: time)
    }
    let expected = planned.sorted { ($0.time, $0.value) < ($1.time, $1.value) }.map(\.value)
    var got: [Int] = []
    while let next = agenda.next() { got.append(next.entry) }
    #expect(got == expected)
  }
}

@Suite struct `A picture` {
  @Test func `shows the strongest mark of each view`() {
    var picture = Picture()
    picture.rows = ["r0", "r1"]
    picture.mark(0, 1, .notarized)
    picture.mark(0, 1, .finalized)
    picture.mark(0, 2, .nullified)
    picture.mark(1, 2, .crash)
    let lines = picture.text.split(separator: "\n")
    #expect(lines[1] == "r0 Fx")
    #expect(lines[2] == "r1 ·!")
  }

  @Test func `puts no number where it would touch the next`() {
    var picture = Picture()
    picture.rows = ["r0"]
    picture.mark(0, 123, .finalized)
    picture.entered(124)
    let lines = picture.text.split(separator: "\n")
    #expect(lines[0] == "views 28 to 123 of 124")
    #expect(lines[1].hasPrefix("     30        40 "))
  }

  @Test func `says how many views it leaves out`() {
    var picture = Picture()
    picture.rows = ["r0"]
    picture.mark(0, 96, .finalized)
    #expect(!picture.text.contains("views"))
    picture.mark(0, 300, .finalized)
    #expect(picture.text.hasPrefix("the last 96 of 300 views\n"))
    picture.mark(0, View(Picture.viewsMax + 1), .finalized)
    #expect(picture.text.hasPrefix("views 205 to 300 of 1048577\n"))
  }
}
