*** Settings ***
Documentation       The LED keeps time, from half-periods of 100 µs to 1 s, with duty cycles from 1 %
...                 to 99 %, on a target that is idle and on one that is busy. How far off it may be
...                 stands in the bench file. Where that is wider than a pulse, the sequence is
...                 judged and that nothing is too late, and the log warns of it.
Resource            resources/led.resource
Suite Setup         Open Bench    ${BENCH}
Suite Teardown      Close Bench
Test Template       LED Should Keep Time
Test Timeout        30 minutes


*** Test Cases ***              PERIOD      DUTY    LOAD
Half-Period Of 100 µs
    [Tags]    short-pulses
    [Setup]    Bench Should See Pulses Of    100 us
    200 us    50    idle
Half-Period Of 1 ms             2 ms        50      idle
Half-Period Of 10 ms            20 ms       50      idle
Half-Period Of 100 ms           200 ms      50      idle
Half-Period Of 1 s              2 s         50      idle
Duty Of 1 %                     200 ms      1       idle
Duty Of 10 %                    200 ms      10      idle
Duty Of 90 %                    200 ms      90      idle
Duty Of 99 %                    200 ms      99      idle
Busy Processors
    [Tags]    load
    [Setup]    Bench Should Be Able To    load
    20 ms    50    cpu
    400 ms    50    cpu
Busy Disk
    [Tags]    load
    [Setup]    Bench Should Be Able To    load
    20 ms    50    io
    400 ms    50    io
Many Interrupts
    [Tags]    load
    [Setup]    Bench Should Be Able To    load
    20 ms    50    interrupts
    400 ms    50    interrupts


*** Keywords ***
LED Should Keep Time
    [Documentation]    Blinks one pattern under one load.
    [Arguments]    ${period}    ${duty}    ${load}
    ${run} =    Time LED Unikernel
    ...    ${period}    ${duty}    ${load}    ${LENGTH}    tender=${TENDER}    unikernel=${UNIKERNEL}
    LED Should Have Blinked As Commanded    ${run}
    Target Should Be As Before    ${run}
    Verdict Should Be Pass    ${run}
