*** Settings ***
Documentation       A unikernel switches an LED; an observer that it knows nothing of watches the pin.
...                 The first five tests prove the LED. The last three plant a defect each and prove
...                 that this suite catches it: they are green when the defect is found.
Resource            resources/led.resource
Suite Setup         Open Bench    ${BENCH}
Suite Teardown      Close Bench
Test Timeout        5 minutes


*** Test Cases ***
LED Blinks As Commanded
    ${run} =    Run LED Unikernel    cycles=20    on=300 ms    off=400 ms
    LED Should Have Blinked As Commanded    ${run}
    LED Should Have Ended    ${run}    off
    Verdict Should Be Pass    ${run}

LED Ends On When Commanded
    ${run} =    Run LED Unikernel    cycles=3    on=300 ms    off=400 ms    final=on
    LED Should Have Blinked As Commanded    ${run}
    LED Should Have Ended    ${run}    on
    Verdict Should Be Pass    ${run}

Line Is Exported, Driven And Released
    ${run} =    Run LED Unikernel    cycles=2    on=300 ms    off=400 ms
    Target Should Be As Before    ${run}
    Verdict Should Be Pass    ${run}
    Line Should Have Been Exported Driven And Released    ${run}

No Other Pin Moves
    ${run} =    Run LED Unikernel    cycles=2    on=300 ms    off=400 ms
    Verdict Should Be Pass    ${run}
    No Other Pin Should Have Moved    ${run}

Unikernel Says What It Did
    ${run} =    Run LED Unikernel    cycles=2    on=400 ms    off=300 ms
    Unikernel Should Have Succeeded    ${run}
    Verdict Should Be Pass    ${run}

One Blink Too Few Is Caught
    [Tags]    defect
    ${run} =    Run LED Unikernel    cycles=4    on=300 ms    off=400 ms    expected_cycles=5
    Defect Should Be Caught    ${run}    count    freeze

A Wrong On-Time Is Caught
    [Tags]    defect
    ${run} =    Run LED Unikernel    cycles=4    on=600 ms    off=400 ms    expected_on=300 ms
    Defect Should Be Caught    ${run}    on-time    period

A Line Left Exported Is Caught
    [Tags]    defect
    ${run} =    Run LED Unikernel
    ...    cycles=2    on=300 ms    off=400 ms    tender=tender-never-unexports
    Defect Should Be Caught    ${run}    release    cleanup
