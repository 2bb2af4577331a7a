package overview

// phrases turns a check's slug into what to do about its findings; {n} stands
// for how many of what. A check without one shows its title and the number.
var phrases = map[string]string{}
