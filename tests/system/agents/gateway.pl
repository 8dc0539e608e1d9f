#!/usr/bin/perl
# gateway.pl - a caller and a callee on Net::SIP at the two sides of a gateway that hides contacts, for netsip_gateway_test.
#
#   gateway.pl SCENARIO INNER OUTER CALLER CALLEE DOMAIN FROM_TRANSPORT TO_TRANSPORT
#
# SCENARIO is a function below; INNER and OUTER are addresses of the gateway, CALLER and CALLEE those of the parties. The
# gateway sends what is for DOMAIN to the callee, by TO_TRANSPORT.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Party;
use Scenario;

use constant { ALL => 100, ENOUGH => 20 };    # RTP packets

my ($scenario, $inner, $outer, $caller_at, $callee_at, $domain, $by, $to) = @ARGV;

# The caller is told its way by a Route and not by an outgoing proxy, so that nothing but Record-Route says where its later
# requests go.
sub parties {
    my (@transports) = @_;
    my $route  = "<sip:$inner;transport=$by;lr>";
    my $caller = Party->new(at => $caller_at, over => \@transports, from => 'sip:me.uac@example.com', route => [$route]);
    return ($caller, Party->new(at => $callee_at, over => \@transports));
}

sub invite {
    my ($caller, %with) = @_;
    $caller->invites("sip:you.uas\@$domain", %with);
}

# What the contact of somebody at the other side looks like.
sub word_at {
    my ($gateway, $transport) = @_;
    my $param = $transport eq 'udp' ? '' : ";transport=$transport";
    return qr/^sip:b[a-z0-9]{20,}\@\Q$gateway$param\E$/;
}

# ---- a call: media end to end, a re-INVITE against its direction, BYE ----

sub call {
    my ($caller, $callee) = parties('udp', 'tcp');
    my ($has_said_all, $is_over);
    $callee->takes_calls(init_media => $callee->echoes, cb_cleanup => \$is_over);
    invite($caller, init_media => $caller->talks(ALL), cb_rtp_done => \$has_said_all);
    same('the callee answers', 'OK', $caller->outcome) or exit 1;
    await('the caller says 100 packets', sub { $has_said_all });
    await('the callee hears more than 20 of them',         sub { $callee->heard > ENOUGH });
    await('the caller hears more than 20 come back',       sub { $caller->heard > ENOUGH });
    $caller->forgets;
    $caller->call->set_param(init_media => $caller->talks);
    ok('the callee re-INVITEs the caller', $callee->reinvites);
    await('the caller hears itself after that, too', sub { $caller->heard > ENOUGH });
    ok('the BYE of the caller is answered', $caller->hangs_up);
    await('the callee knows that the call is over', sub { $is_over });
    look_at_bodies($caller, $callee);
    look_at_contacts($caller, $callee);
    look_at_ways($caller, $callee);
}

sub look_at_bodies {
    my ($caller, $callee) = @_;
    for my $name ('INVITE', '200 INVITE') {
        for my $way ([ 'caller', $caller, $callee ], [ 'callee', $callee, $caller ]) {
            my ($who, $here, $there) = @$way;
            my ($sent, $got) = map { $_->body } ($here->sent($name))[0], ($there->got($name))[0];
            ok("the SDP of the $name of the $who arrives as it was sent", $sent =~ /^m=audio/m && $sent eq $got);
        }
    }
}

sub look_at_contacts {
    my ($caller, $callee) = @_;
    my ($shown_outside, $shown_inside) = (($callee->got('INVITE'))[0]->contact, ($caller->got('200 INVITE'))[0]->contact);
    my ($at_caller, $at_callee) = (($caller->sent('INVITE'))[0]->contact, ($callee->sent('200 INVITE'))[0]->contact);
    like('the callee sees the contact of the caller as a word at the outer leg', word_at($outer, $to), $shown_outside);
    like('the caller sees the contact of the callee as a word at the inner leg', word_at($inner, $by), $shown_inside);
    for my $name ('ACK', 'BYE') {
        my ($request) = $callee->got($name);
        same("the $name reaches the contact of the callee, its Routes used up", $at_callee, $request->target);
    }
    my ($reinvite) = $caller->got('INVITE');
    same('the re-INVITE reaches the contact of the caller, its Routes used up', $at_caller, $reinvite->target);
    same('the re-INVITE shows the callee as the same word', $shown_inside, $reinvite->contact);
}

sub look_at_ways {
    my ($caller, $callee) = @_;
    my ($invite, $reinvite) = (($callee->got('INVITE'))[0], ($caller->got('INVITE'))[0]);
    my ($from, $towards) = (uc $by, uc $to);
    same('the INVITE came by the outer leg, the inner leg and the caller',
        "$towards $outer, $from $inner, $from $caller_at", $invite->hops);
    same('the re-INVITE came by the inner leg, the outer leg and the callee',
        "$from $inner, $towards $outer, $towards $callee_at", $reinvite->hops);
    ok("all messages of the caller went by $by, with the inner leg", went_by($by, $inner, $caller->sent, $caller->got));
    ok("all messages of the callee went by $to, with the outer leg", went_by($to, $outer, $callee->sent, $callee->got));
}

# A connection may begin at any port.
sub went_by {
    my ($transport, $gateway, @messages) = @_;
    my @others = grep { $_->transport ne $transport || ($transport eq 'udp' && $_->peer ne $gateway) } @messages;
    print '# ', $_->name, ' by ', $_->transport, ' with ', $_->peer, "\n" for @others;
    return @messages && !@others;
}

# ---- the callee turns the media round, puts the caller on hold, and resumes ----

sub hold {
    my ($caller, $callee) = parties($by);
    my $is_over;
    $callee->takes_calls(init_media => $callee->listens, cb_cleanup => \$is_over);
    invite($caller, init_media => $caller->talks);
    same('the callee answers', 'OK', $caller->outcome) or exit 1;
    await('the callee hears the caller', sub { $callee->heard >= ENOUGH });
    same('the caller hears nothing', 0, $caller->heard);

    $caller->call->set_param(init_media => $caller->listens);
    ok('the callee re-INVITEs to turn it round', $callee->reinvites(init_media => $callee->talks));
    $_->forgets for $caller, $callee;
    await('the caller hears the callee', sub { $caller->heard >= ENOUGH });
    same('the callee hears nothing', 0, $callee->heard);

    $caller->call->set_param(init_media => $caller->talks);
    ok('the callee re-INVITEs to put the caller on hold', $callee->reinvites(call_on_hold => 1));
    $_->forgets for $caller, $callee;
    like('the caller is told 0.0.0.0', qr{^c=IN IP4 0\.0\.0\.0\r$}m, ($caller->got('INVITE'))[-1]->body);
    await('the caller still hears the callee', sub { $caller->heard >= ENOUGH });
    same('the callee hears nothing of a caller on hold', 0, $callee->heard);

    ok('the callee re-INVITEs to resume', $callee->reinvites);
    $_->forgets for $caller, $callee;
    await('the callee hears the caller again', sub { $callee->heard >= ENOUGH });
    await('the caller hears the callee again', sub { $caller->heard >= ENOUGH });
    ok('the BYE of the caller is answered', $caller->hangs_up);
    await('the callee knows that the call is over', sub { $is_over });
    look_at_reinvites($caller);
}

sub look_at_reinvites {
    my ($caller) = @_;
    my $contact = ($caller->sent('INVITE'))[0]->contact;
    my $word    = ($caller->got('200 INVITE'))[0]->contact;
    my @invites = $caller->got('INVITE');
    my %seen    = map { $_->transaction => 1 } @invites;
    same('three re-INVITEs came', 3, scalar keys %seen);
    for my $name ('INVITE', 'ACK') {
        my @others = grep { $_->target ne $contact } $caller->got($name);
        ok("each $name in the call reaches the contact of the caller, its Routes used up", $caller->got($name) && !@others);
    }
    ok('each re-INVITE shows the callee as the same word', !grep { $_->contact ne $word } @invites);
}

# ---- calls that come to nothing ----

# Vias of the ACK or CANCEL that belongs to the INVITE; the whole of them, branches as well.
sub vias_of {
    my ($name, $callee, $invite) = @_;
    my $find = sub { (grep { $_->transaction eq $invite->transaction } $callee->got($name))[0] };
    my $request = waited($find) or return;
    return $request->header('Via');
}

# The callee refuses in each way there is. The caller follows a redirection by itself.
sub errors {
    my ($caller, $callee) = parties($by);
    my @codes   = (302, 400, 401, 404, 486, 500, 503, 603);
    my @answers = @codes;
    my $moved   = "sip:elsewhere\@$callee_at;transport=$by";
    $callee->takes_calls(cb_invite => sub {
        my (undef, $invite) = @_;
        my $code = shift @answers;
        return $invite->create_response($code, undef, $code == 302 ? { contact => "<$moved>" } : {});
    });
    for my $code (grep { $_ != 302 } @codes) {
        invite($caller);
        same("the caller hears the $code", $code, $caller->outcome);
    }
    my %seen;
    my @invites = grep { !$seen{ $_->transaction }++ } $callee->got('INVITE');
    same('eight INVITEs came', scalar @codes, scalar @invites) or exit 1;
    like('the 302 shows a word at the inner leg', word_at($inner, $by), ($caller->got('302 INVITE'))[0]->contact);
    same('which leads to what the callee had said', $moved, $invites[1]->target);
    for my $code (@codes) {
        my $invite = shift @invites;
        same("the ACK of the $code comes with the Vias of its INVITE", $invite->header('Via'), vias_of('ACK', $callee, $invite));
    }
}

# The callee only rings, and the caller gives up.
sub cancel {
    my ($caller, $callee) = parties($by);
    my ($rings, $is_cancelled);
    $callee->takes_calls(cb_invite => sub { my (undef, $invite) = @_; return $invite->create_response(180, 'Ringing') });
    invite($caller, cb_preliminary => sub { my (undef, $code) = @_; $rings ||= $code == 180 });
    await('the caller hears the 180', sub { $rings });
    $caller->call->cancel(cb_final => \$is_cancelled);
    await('its CANCEL is answered', sub { $is_cancelled && $caller->got('200 CANCEL') });
    same('its INVITE is answered 487', 487, $caller->outcome);
    my ($invite) = $callee->got('INVITE');
    for my $name ('CANCEL', 'ACK') {
        same("the $name comes with the Vias of its INVITE", $invite->header('Via'), vias_of($name, $callee, $invite));
    }
}

my %scenarios = (call => \&call, hold => \&hold, errors => \&errors, cancel => \&cancel);
about("$scenario, $by to $to, " . ($inner =~ /^\[/ ? 'IPv6' : 'IPv4'));
$scenarios{$scenario}->();
