*** Settings ***
Documentation       A hostile unikernel tries its tender: every hypercall, with bad numbers, handles,
...                 pointers and lengths, and lines that it was not granted. The tender refuses and
...                 ends in order, or carries on; not one edge comes outside the granted line; the
...                 target's kernel warns of nothing; and nothing is left behind.
Resource            resources/led.resource
Suite Setup         Open Bench    ${BENCH}
Suite Teardown      Close Bench
Test Template       Guest Should Be Confined When It Tries
Test Timeout        20 minutes


*** Test Cases ***              ATTACK
Every Hypercall Number          every hypercall number
Bad Pointers And Lengths        bad pointers and lengths
Its Own LED                     its own LED
Lines Of Others                 lines of others
Random Calls                    random calls
No Other Line Moves
    [Tags]    other-lines
    [Setup]    Bench Should Be Able To    other-lines
    [Template]    NONE
    ${run} =    Run Hostile Unikernel    lines of others    tender=${TENDER}
    No Other Pin Should Have Moved    ${run}


*** Keywords ***
Guest Should Be Confined When It Tries
    [Documentation]    Each of its cases ends as it must, and its own line alone may have moved.
    [Arguments]    ${attack}
    ${run} =    Run Hostile Unikernel    ${attack}    ${LENGTH}    tender=${TENDER}
    Line Should Have Been Given Back    ${run}
    Target Should Be As Before    ${run}
    Verdict Should Be Pass    ${run}
